use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use tokio::time::timeout_at;

use crate::{Middleware, Service};

tokio::task_local! {
    static CURRENT: Instant;
}

/// Hands a deadline on, from process to process: a call gets what is left of the time of whoever
/// makes it, and one whose time is over is refused, or ended, with an error of the kind `Timeout`.
///
/// On the host the deadline is the earliest of that of the [scope](Self::scope) that the call is
/// made in, that of [`within`](Self::within), and the call's own. What is left of it travels as the
/// call's timeout, a duration, because two processes need not agree on the time. On the worker it
/// is that timeout from the moment that the request arrived, so that waiting in a
/// [`ConcurrencyLimit`](crate::ConcurrencyLimit) counts; the handler runs in a scope of it, and
/// what it calls on workers of its own through another `Deadline` shares it. Calls without a
/// deadline pass by.
///
/// ```
/// use isolated_workers_middleware::Deadline;
/// use std::time::{Duration, Instant};
///
/// # async fn page() {}
/// # async fn render() {
/// // All calls of the page together have two seconds.
/// let at = Instant::now() + Duration::from_secs(2);
/// Deadline::scope(at, page()).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline {
    limit: Option<Duration>,
}

impl Deadline {
    /// Hands on the deadlines that there are.
    pub const fn new() -> Self {
        Self { limit: None }
    }

    /// Gives each call a deadline so far ahead, too.
    pub const fn within(limit: Duration) -> Self {
        Self { limit: Some(limit) }
    }

    /// Runs `future` with a deadline for all calls that it makes through a `Deadline`; an earlier
    /// one that it is in already stays. It reaches as far as the task: what is spawned needs a
    /// scope of its own.
    pub async fn scope<F: Future>(at: Instant, future: F) -> F::Output {
        let at = Self::current().map_or(at, |current| current.min(at));
        CURRENT.scope(at, future).await
    }

    /// The deadline of the scope that this is called in.
    pub fn current() -> Option<Instant> {
        CURRENT.try_with(|at| *at).ok()
    }

    fn of(&self, request: &Request, now: Instant) -> Option<Instant> {
        // What a worker was told counts from when it arrived; that is the deadline itself.
        let own = request.deadline().is_none().then(|| request.timeout()).flatten();
        let after = [own.filter(|own| !own.is_zero()), self.limit];
        let after = after.into_iter().flatten().filter_map(|limit| now.checked_add(limit));
        [request.deadline(), Self::current()].into_iter().flatten().chain(after).min()
    }
}

impl Middleware for Deadline {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        let now = tokio::time::Instant::now().into_std();
        let Some(at) = self.of(&request, now) else { return next.call(request).await };
        let name = request.to_name();
        let left = at.saturating_duration_since(now);
        if left.is_zero() {
            let text = format!("`{name}` was not called: its deadline was over {:?} ago", now - at);
            return Err(Error::new(ErrorKind::Timeout, text).with_executed(Executed::No));
        }
        request.set_deadline(Some(at));
        request.set_timeout(Some(left));
        let call = CURRENT.scope(at, next.call(request));
        timeout_at(at.into(), call).await.unwrap_or_else(|_| {
            let text = format!("`{name}` was not answered before its deadline, {left:?} after it was called");
            Err(Error::new(ErrorKind::Timeout, text))
        })
    }
}
