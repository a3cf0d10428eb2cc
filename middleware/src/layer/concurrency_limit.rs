use std::sync::Arc;

use isolated_workers_core::{Error, Request, Response};
use tokio::sync::Semaphore;

use crate::{Middleware, Service};

/// Limits the number of calls in flight. Further calls wait in order of arrival.
///
/// On the host it protects a worker from overload. On the worker it limits the number of handlers
/// that run concurrently. The queue has no limit: put a [`LoadShed`](crate::LoadShed) outside to
/// limit its length, and a [`Timeout`](crate::Timeout) to limit the time in it. A call that is
/// dropped while it waits leaves the queue.
///
/// A call counts until its future has returned the answer or is dropped. So a call whose future is
/// not polled can delay others: do not make a call through the same limit in the body of a loop
/// over a stream of such calls, or in another branch of a `select!`. The `max_in_flight` of a pool
/// has this restriction only for calls that are answered with a stream: others run although nobody
/// polls them.
///
/// ```
/// use isolated_workers_codec::Json;
/// use isolated_workers_middleware::{ConcurrencyLimit, LoadShed, Service, ServiceExt};
///
/// /// Allows ten calls in flight and ninety in the queue. Refuses the rest.
/// fn bounded(service: impl Service<Codec = Json>) -> impl Service<Codec = Json> {
///     service.wrapped_by(ConcurrencyLimit::new(10)).wrapped_by(LoadShed::new(100))
/// }
/// ```
#[derive(Debug)]
pub struct ConcurrencyLimit(Arc<Semaphore>);

impl ConcurrencyLimit {
    /// Allows at most `limit` concurrent calls. The maximum is 2^61 - 1 (on systems with 64 bits);
    /// a higher limit means the maximum.
    ///
    /// # Panics
    /// Panics if `limit` is 0.
    pub fn new(limit: usize) -> Self {
        assert!(limit > 0, "invalid `ConcurrencyLimit` of 0: the limit must be at least 1");
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }
}

impl Middleware for ConcurrencyLimit {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let permit = self.0.acquire().await.expect("the semaphore is never closed");
        let mut response = next.call(request).await?;
        if response.has_items() {
            permit.forget();
            response.hold(AddPermit(Arc::clone(&self.0)));
        }
        Ok(response)
    }
}

/// Adds the permit of a call again whose stream has ended.
struct AddPermit(Arc<Semaphore>);

impl Drop for AddPermit {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}
