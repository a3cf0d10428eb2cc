use isolated_workers_core::{Error, Request, Response};

use crate::{Middleware, Service};

/// A service with one middleware around it.
#[derive(Clone, Copy, Debug)]
pub struct Layered<M, S> {
    middleware: M,
    inner: S,
}

impl<M: Middleware, S: Service> Layered<M, S> {
    /// Wraps `inner`.
    pub fn new(middleware: M, inner: S) -> Self {
        Self { middleware, inner }
    }
}

impl<M: Middleware, S: Service> Service for Layered<M, S> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.inner.codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.middleware.handle(request, &self.inner)
    }
}

/// Middleware that was added to a builder and waits for the service to go around.
pub trait Layers: Send + Sync + 'static {
    /// The service `S` with all of it around.
    type Service<S: Service + 'static>: Service<Codec = S::Codec> + 'static;

    /// Puts it around `inner`.
    fn wrap<S: Service + 'static>(self, inner: S) -> Self::Service<S>;
}

/// No middleware.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLayers;

impl Layers for NoLayers {
    type Service<S: Service + 'static> = S;

    fn wrap<S: Service + 'static>(self, inner: S) -> S {
        inner
    }
}

/// Middleware of which `L` was added before `M`: `L` sees a request first and its reply last.
#[derive(Clone, Copy, Debug)]
pub struct Stack<L, M>(L, M);

impl<L: Layers, M: Middleware> Stack<L, M> {
    /// Adds `middleware` behind what is there.
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
