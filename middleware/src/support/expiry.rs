//! End of a call at its time limit.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

/// Time after its limit in which a call may still end on its own. A connection has the same limit,
/// and knows more: if the request was sent, and if the worker must be killed.
const GRACE: Duration = Duration::from_millis(50);

/// Awaits `call`. Returns `None` if it has not ended at its limit, and has not done so a moment later.
/// It is dropped then.
pub(crate) async fn until<F: Future>(limit: Instant, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    match timeout_at(limit, &mut call).await {
        Ok(output) => Some(output),
        // Counted from here: what the call waits for was delayed as much as this timer.
        Err(_) => timeout(GRACE, call).await.ok(),
    }
}
