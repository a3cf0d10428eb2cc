use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use isolated_workers_core::{Body, Error, ErrorKind, Executed, Items, Request, Response};

use crate::support::expiry;
use crate::{Middleware, Service};

tokio::task_local! {
    static CURRENT: Instant;
}

/// Propagates deadlines across processes: calls share the time that is left to their caller.
///
/// A call whose deadline has passed is refused. A call that reaches its deadline ends, as with
/// [`Timeout`](crate::Timeout). Both fail with an error of the kind `Timeout`. Calls without a
/// deadline are forwarded unchanged.
///
/// On the host, the deadline of a call is the earliest of three: that of the current
/// [scope](Self::scope), the limit of [`within`](Self::within), and the call's own timeout. The
/// remaining time travels as the call's timeout, because the clocks of two processes may differ.
///
/// On the worker, the timeout counts from the arrival of the request, so that time spent waiting in
/// a [`ConcurrencyLimit`](crate::ConcurrencyLimit) counts. The handler runs in a scope with this
/// deadline. Calls that it makes to its own workers through another `Deadline` share it.
///
/// ```
/// use isolated_workers_middleware::Deadline;
/// use std::time::{Duration, Instant};
///
/// # async fn page() {}
/// # async fn render() {
/// // All calls of the page share two seconds.
/// let at = Instant::now() + Duration::from_secs(2);
/// Deadline::scope(at, page()).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline {
    limit: Option<Duration>,
}

impl Deadline {
    /// Propagates existing deadlines and adds none.
    pub const fn new() -> Self {
        Self { limit: None }
    }

    /// Also gives each call a deadline `limit` from its start. Zero refuses every call.
    pub const fn within(limit: Duration) -> Self {
        Self { limit: Some(limit) }
    }

    /// Runs `future` with the deadline `at` for all calls that it makes through a `Deadline`. If
    /// the current scope has an earlier deadline, that one applies.
    ///
    /// The scope covers the current task only. A spawned task needs its own scope.
    pub async fn scope<F: Future>(at: Instant, future: F) -> F::Output {
        let at = Self::current().map_or(at, |current| current.min(at));
        CURRENT.scope(at, future).await
    }

    /// Returns the deadline of the current scope, if any.
    pub fn current() -> Option<Instant> {
        CURRENT.try_with(|at| *at).ok()
    }

    fn of(&self, request: &Request, now: Instant) -> Option<Instant> {
        // On a worker, the timeout counts from arrival and is already part of `request.deadline()`.
        let own = request.deadline().is_none().then(|| request.timeout()).flatten();
        let after = [own.filter(|own| !own.is_zero()), self.limit];
        let after = after.into_iter().flatten().filter_map(|limit| now.checked_add(limit));
        [request.deadline(), Self::current()].into_iter().flatten().chain(after).min()
    }
}

/// Items of a call with a deadline. The calls that their stream makes inherit it.
struct ScopedItems {
    items: Items,
    at: Instant,
}

impl Stream for ScopedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        CURRENT.sync_scope(this.at, || Pin::new(&mut this.items).poll_next(cx))
    }
}

impl Middleware for Deadline {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        let now = tokio::time::Instant::now().into_std();
        let Some(at) = self.of(&request, now) else { return next.call(request).await };
        let name = request.to_name();
        let left = at.saturating_duration_since(now);
        if left.is_zero() {
            let text = format!("`{name}` was not called: its deadline passed {:?} ago", now - at);
            return Err(Error::new(ErrorKind::Timeout, text).with_executed(Executed::No));
        }
        request.set_deadline(Some(at));
        request.set_timeout(Some(left));
        let call = CURRENT.scope(at, next.call(request));
        let late = move || {
            let text = format!("`{name}` was not answered before its deadline, {left:?} after it was called");
            Error::new(ErrorKind::Timeout, text)
        };
        let Some(response) = expiry::until(at.into(), call).await else { return Err(late()) };
        let mut response = response?;
        response.change_items(|items| Items::new(ScopedItems { items, at }));
        Ok(expiry::items_until(response, at.into(), late))
    }
}
