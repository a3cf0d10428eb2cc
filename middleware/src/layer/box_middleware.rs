//! Type-erased middleware, for stacks that are built at run time.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};

use super::stack::{InnerService, around};
use crate::service::{BoxFuture, DynService};
use crate::{Middleware, Service};

/// Type-erased middleware for services with the codec `C`.
///
/// The codec stays known, so that typed access to bodies costs nothing extra. Each call allocates
/// two boxes: one for the middleware and one for the service it calls. Cloning is cheap.
///
/// A `Vec` of them is a middleware, too, for stacks whose length is known only at run time. Its
/// first element sees a request first.
///
/// ```
/// use isolated_workers_middleware::{BoxMiddleware, LoadShed, Trace};
///
/// fn stack(flags: &[&str]) -> Vec<BoxMiddleware> {
///     let one = |flag: &&str| match *flag {
///         "trace" => Some(BoxMiddleware::new(Trace)),
///         "shed" => Some(BoxMiddleware::new(LoadShed::new(100))),
///         _ => None,
///     };
///     flags.iter().filter_map(one).collect()
/// }
/// ```
///
/// # Errors
/// Around a service with another codec, each call fails with `Config`.
pub struct BoxMiddleware<C: Codec = DefaultCodec>(Arc<dyn DynMiddleware<C>>);

impl<C: Codec> BoxMiddleware<C> {
    /// Erases the type of `middleware`.
    pub fn new(middleware: impl Middleware) -> Self {
        Self(Arc::new(middleware))
    }
}

impl<C: Codec> Middleware for BoxMiddleware<C> {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let next = WithCodec { codec: downcast_codec(next)?, service: next };
        self.0.handle(request, &next).await
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

impl<C: Codec> Middleware for Vec<BoxMiddleware<C>> {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let next = WithCodec { codec: downcast_codec(next)?, service: next };
        DynService::call(&RemainingLayers { layers: self, next: &next }, request).await
    }
}

impl<C: Codec> Clone for BoxMiddleware<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Codec> fmt::Debug for BoxMiddleware<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxMiddleware").field(&self.0.name()).finish()
    }
}

trait DynMiddleware<C>: Send + Sync {
    fn handle<'a>(&'a self, request: Request, next: &'a dyn DynService<C>) -> BoxFuture<'a>;
    fn name(&self) -> &str;
}

impl<C: Codec, M: Middleware> DynMiddleware<C> for M {
    fn handle<'a>(&'a self, request: Request, next: &'a dyn DynService<C>) -> BoxFuture<'a> {
        Box::pin(async move { around(self, request, &InnerService(BorrowedService(next))).await })
    }

    fn name(&self) -> &str {
        Middleware::name(self)
    }
}

/// Borrowed [`DynService`].
struct BorrowedService<'a, C>(&'a dyn DynService<C>);

impl<C: Codec> Service for BorrowedService<'_, C> {
    type Codec = C;

    fn codec(&self) -> &C {
        self.0.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.0.body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.call(request)
    }
}

/// Service whose codec was downcast to `C`.
struct WithCodec<'a, S, C> {
    service: &'a S,
    codec: &'a C,
}

impl<S: Service, C: Codec> Service for WithCodec<'_, S, C> {
    type Codec = C;

    fn codec(&self) -> &C {
        self.codec
    }

    fn body_limit(&self) -> BodyLimit {
        self.service.body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.service.call(request)
    }
}

fn downcast_codec<S: Service, C: Codec>(service: &S) -> Result<&C, Error> {
    (service.codec() as &dyn Any).downcast_ref().ok_or_else(|| {
        let text = format!(
            "a `BoxMiddleware` for the codec {} wraps a service with the codec {}: name that codec, as in \
             `BoxMiddleware<Postcard>`",
            C::ID,
            S::Codec::ID
        );
        Error::new(ErrorKind::Config, text).with_executed(Executed::No)
    })
}

/// Remaining middleware of a `Vec`, and the service below it.
struct RemainingLayers<'a, C: Codec> {
    layers: &'a [BoxMiddleware<C>],
    next: &'a dyn DynService<C>,
}

impl<C: Codec> Service for RemainingLayers<'_, C> {
    type Codec = C;

    fn codec(&self) -> &C {
        self.next.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.next.body_limit()
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        match self.layers.split_first() {
            Some((first, layers)) => {
                first.0.handle(request, &RemainingLayers { layers, next: self.next }).await
            }
            None => self.next.call(request).await,
        }
    }
}
