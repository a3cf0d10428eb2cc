//! End of a call at its time limit.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use isolated_workers_core::{Body, Error, Items, Response};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

/// Time after its limit in which a call may still end on its own. A connection has the same limit,
/// and knows more: if the request was sent, and if the worker must be killed.
const GRACE: Duration = Duration::from_millis(50);

/// Awaits `call`. Returns `None` if it has not ended at its limit, and has not done so a moment
/// later. It is dropped then.
pub(crate) async fn until<F: Future>(limit: Instant, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    match timeout_at(limit, &mut call).await {
        Ok(output) => Some(output),
        // Counted from here: what the call waits for was delayed as much as this timer.
        Err(_) => timeout(GRACE, call).await.ok(),
    }
}

/// Ends the items of `response`, if there are some, with the error that `late` creates at `at`, or
/// a moment later.
pub(crate) fn items_until(
    mut response: Response,
    at: Instant,
    late: impl FnOnce() -> Error + Send + 'static,
) -> Response {
    if response.has_items() {
        let expiring = |items| ExpiringItems {
            items,
            sleep: Box::pin(sleep_until(at.checked_add(GRACE).unwrap_or(at))),
            late: Some(late),
        };
        response.change_items(|items| Items::new(expiring(items)));
    }
    response
}

/// Items that end with an error at a time.
struct ExpiringItems<F> {
    items: Items,
    sleep: Pin<Box<Sleep>>,
    /// `None` after the time.
    late: Option<F>,
}

// The function is never pinned.
impl<F> Unpin for ExpiringItems<F> {}

impl<F: FnOnce() -> Error> Stream for ExpiringItems<F> {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Items that are always ready end, too.
        if self.sleep.as_mut().poll(cx).is_ready()
            && let Some(late) = self.late.take()
        {
            return Poll::Ready(Some(Err(late())));
        }
        Pin::new(&mut self.items).poll_next(cx)
    }
}
