//! Type-erased services, for stacks that are built at run time.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers_core::{Error, Request, Response};

use crate::Service;

pub(crate) type BoxFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

/// Type-erased service with the codec `C`. `C` defaults to the default codec.
///
/// Use it to name the type of a service with layers and closures in a struct field:
/// `Worker<BoxService>`, `CalculatorClient<BoxService>`. Each call allocates one box. Cloning is
/// cheap.
///
/// ```
/// use isolated_workers_codec::Json;
/// use isolated_workers_middleware::{BoxService, Service, ServiceExt, Trace};
///
/// fn stacked(service: impl Service<Codec = Json> + 'static, verbose: bool) -> BoxService {
///     if verbose { BoxService::new(service.wrapped_by(Trace)) } else { BoxService::new(service) }
/// }
/// ```
pub struct BoxService<C: Codec = DefaultCodec>(Arc<dyn DynService<C>>);

impl<C: Codec> BoxService<C> {
    /// Erases the type of `service`.
    pub fn new(service: impl Service<Codec = C> + 'static) -> Self {
        Self(Arc::new(service))
    }
}

impl<C: Codec> Service for BoxService<C> {
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

impl<C: Codec> Clone for BoxService<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Codec> fmt::Debug for BoxService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxService").field("codec", &C::ID).finish_non_exhaustive()
    }
}

/// [`Service`] with a known codec and an erased type.
pub(crate) trait DynService<C>: Send + Sync {
    fn codec(&self) -> &C;
    fn body_limit(&self) -> BodyLimit;
    fn call(&self, request: Request) -> BoxFuture<'_>;
}

impl<S: Service> DynService<S::Codec> for S {
    fn codec(&self) -> &S::Codec {
        Service::codec(self)
    }

    fn body_limit(&self) -> BodyLimit {
        Service::body_limit(self)
    }

    fn call(&self, request: Request) -> BoxFuture<'_> {
        Box::pin(Service::call(self, request))
    }
}
