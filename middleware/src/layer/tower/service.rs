use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use isolated_workers_core::{Error, Request, Response};

use crate::Service;

/// Adapter that makes a `tower::Service<Request>` of a service, for use with tower's layers,
/// balancers and pools.
///
/// It is always ready, because a worker's capacity is not known before a call. If the connection is
/// full, the call itself waits. Cloning is cheap. Each call allocates one box.
///
/// ```
/// use isolated_workers_codec::Json;
/// use isolated_workers_core::Request;
/// use isolated_workers_middleware::{Service, TowerService};
///
/// fn limited(worker: impl Service<Codec = Json> + 'static) -> impl tower::Service<Request> {
///     tower::ServiceBuilder::new().concurrency_limit(10).service(TowerService::new(worker))
/// }
/// ```
pub struct TowerService<S>(Arc<S>);

impl<S: Service + 'static> TowerService<S> {
    /// Adapts `service` to tower.
    pub fn new(service: S) -> Self {
        Self(Arc::new(service))
    }
}

impl<S: Service + 'static> tower_service::Service<Request> for TowerService<S> {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let service = Arc::clone(&self.0);
        Box::pin(async move { service.call(request).await })
    }
}

impl<S> Clone for TowerService<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for TowerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TowerService")
    }
}
