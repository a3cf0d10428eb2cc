use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};
use tokio::time::Instant;

use crate::support::expiry;
use crate::{Middleware, Service};

/// Ends each call after a time limit, with an error of the kind `Timeout`.
///
/// The call below is dropped. On the host that cancels the call on the worker; on the worker it
/// drops the handler's future. The host also sends the timeout to the worker, which uses it as the
/// call's deadline.
///
/// A call to a worker normally ends on its own at that limit, with the error of its connection and,
/// if set, with the effect of `OnTimeout::Kill`. What is still waiting 50 ms later is dropped. The
/// thread of a blocking handler cannot be ended: a worker answers with the error when the thread
/// has ended, so that the call counts as in flight until then.
///
/// The limit applies to everything below this layer. Outside of [`Retry`](crate::Retry) it limits
/// all attempts together, inside it limits each one. A worker's builder also has a timeout for
/// calls, which needs no timer per call. Prefer that one unless other layers of the stack wait.
///
/// The caller must run on a tokio runtime with timers. The timeout of a worker's builder has no
/// such requirement.
///
/// ```
/// use isolated_workers_middleware::Timeout;
/// use std::time::Duration;
///
/// let patient = Timeout::new(Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout(Duration);

impl Timeout {
    /// Ends calls after `limit`. Zero means no limit. A shorter timeout of the message or the call
    /// still applies.
    pub const fn new(limit: Duration) -> Self {
        Self(limit)
    }
}

impl Middleware for Timeout {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        if self.0.is_zero() {
            return next.call(request).await;
        }
        let own = request.timeout().filter(|own| !own.is_zero());
        request.set_timeout(Some(own.map_or(self.0, |own| own.min(self.0))));
        let name = request.to_name();
        let limit = Instant::now().checked_add(self.0);
        let Some(limit) = limit else { return next.call(request).await };
        let at = limit.into_std();
        // The queue of a pool does not count towards the timeout of a call, but towards its
        // deadline.
        request.set_deadline(Some(request.deadline().map_or(at, |earlier| earlier.min(at))));
        let after = self.0;
        let late = move || {
            let advice = "raise the limit of the layer `Timeout`, or split the work";
            let text = format!("`{name}` was not answered within {after:?}; {advice}");
            Error::new(ErrorKind::Timeout, text)
        };
        match expiry::until(limit, next.call(request)).await {
            Some(response) => response.map(|response| expiry::items_until(response, limit, late)),
            None => Err(late()),
        }
    }
}
