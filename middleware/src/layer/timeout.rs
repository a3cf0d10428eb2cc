use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};

use crate::{Middleware, Service};

/// Ends each call after a time, with an error of the kind `Timeout`. What is below it is dropped
/// then: on the host that cancels the call on the worker, on the worker it ends the handler.
///
/// On the host it tells the worker, too, which then has it as the call's deadline. It counts from
/// where it stands in the stack: outside of [`Retry`](crate::Retry) it limits all attempts
/// together, inside of it each of them. A worker's builder has a limit for each call as well, which
/// needs no timer of its own and is the better one where nothing else in the stack waits.
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
    /// Ends calls after `limit`; zero is no limit. A shorter one that the message or the call has
    /// stays.
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
        tokio::time::timeout(self.0, next.call(request)).await.unwrap_or_else(|_| {
            let what = "give the layer `Timeout` a longer limit, or the message less to do";
            Err(Error::new(
                ErrorKind::Timeout,
                format!("`{name}` was not answered within {:?}; {what}", self.0),
            ))
        })
    }
}
