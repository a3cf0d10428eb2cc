use std::marker::PhantomData;

use isolated_workers_codec::BodyLimit;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};

use crate::support::guard::{Guard, Guarded};
use crate::{Middleware, Service};

/// Service wrapped in one middleware.
#[derive(Clone, Copy, Debug)]
pub struct Layered<M, S> {
    middleware: M,
    inner: InnerService<S>,
}

impl<M: Middleware, S: Service> Layered<M, S> {
    /// Wraps `inner` in `middleware`.
    pub fn new(middleware: M, inner: S) -> Self {
        Self { middleware, inner: InnerService(inner) }
    }
}

impl<M: Middleware, S: Service> Service for Layered<M, S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &S::Codec {
        self.inner.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.inner.body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        around(&self.middleware, request, &self.inner)
    }
}

/// Runs `middleware` around `inner`.
pub(crate) fn around<'a, M: Middleware, S: Service>(
    middleware: &'a M,
    request: Request,
    inner: &'a InnerService<S>,
) -> Guarded<impl Future<Output = Result<Response, Error>> + Send + use<'a, M, S>, LayerGuard<'a, M>> {
    Guarded::new(LayerGuard(middleware), middleware.handle(request, inner))
}

/// Attributes errors to the middleware that made them.
pub(crate) struct LayerGuard<'a, M>(&'a M);

impl<M: Middleware> Guard for LayerGuard<'_, M> {
    fn panicked(&self, what: &str) -> Error {
        // The panic may have happened before or after the inner call.
        Error::new(ErrorKind::Panicked, format!("it {what}")).with_executed(Executed::Maybe)
    }

    fn failed(&self, error: Error) -> Error {
        error.in_middleware(self.0.name())
    }
}

/// Service below a middleware. Its errors are not attributed to the middleware.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InnerService<S>(pub(crate) S);

impl<S: Service> Service for InnerService<S> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.0.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.0.body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        Guarded::new(InnerGuard::<S>(PhantomData), self.0.call(request))
    }
}

struct InnerGuard<S>(PhantomData<fn() -> S>);

impl<S: Service> Guard for InnerGuard<S> {
    const CATCHES: bool = !S::CATCHES_PANICS;

    fn panicked(&self, what: &str) -> Error {
        Error::new(ErrorKind::Panicked, format!("the service {what}")).with_executed(Executed::Maybe)
    }

    fn failed(&self, error: Error) -> Error {
        error.from_next()
    }
}

/// Stack of middleware that was added to a builder, not yet wrapped around a service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stack of middleware",
    note = "add middleware with `.layer(..)`, one call for each"
)]
pub trait Layers: Send + Sync + 'static {
    /// Type of the service `S` wrapped in all layers.
    type Service<S: Service + 'static>: Service<Codec = S::Codec> + 'static;

    /// Wraps `inner` in all layers.
    fn wrap<S: Service + 'static>(self, inner: S) -> Self::Service<S>;
}

/// Empty stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLayers;

impl Layers for NoLayers {
    type Service<S: Service + 'static> = S;

    fn wrap<S: Service + 'static>(self, inner: S) -> S {
        inner
    }
}

/// Stack of the layers `L` outside and the middleware `M` inside: `L` sees a request first and its
/// reply last.
#[derive(Clone, Copy, Debug)]
pub struct Stack<L, M>(L, M);

impl<L: Layers, M: Middleware> Stack<L, M> {
    /// Adds `middleware` inside of `layers`.
    pub fn new(layers: L, middleware: M) -> Self {
        Self(layers, middleware)
    }
}

impl<L: Layers, M: Middleware> Layers for Stack<L, M> {
    type Service<S: Service + 'static> = L::Service<Layered<M, S>>;

    fn wrap<S: Service + 'static>(self, inner: S) -> Self::Service<S> {
        self.0.wrap(Layered::new(self.1, inner))
    }
}
