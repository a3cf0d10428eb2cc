//! Spans of the calls in progress, for events that arrive from workers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::Span;

/// `true` once this process reads events of workers.
static IS_TRACKED: AtomicBool = AtomicBool::new(false);

/// Shared, because a subscriber may run code when a span is cloned, which must not hold the lock.
static SPANS: LazyLock<Mutex<HashMap<u64, Arc<Span>>>> = LazyLock::new(Mutex::default);

/// Keeps the spans of calls that start from now on, until the calls have ended.
pub fn track() {
    IS_TRACKED.store(true, Ordering::Relaxed);
}

/// Finds the span of a call in progress by its id in the trace, in hexadecimal.
pub fn find(id: &str) -> Option<Arc<Span>> {
    let id = u64::from_str_radix(id, 16).ok()?;
    spans().get(&id).cloned()
}

fn spans() -> MutexGuard<'static, HashMap<u64, Arc<Span>>> {
    SPANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registration of a span. Ends when it is dropped.
pub(super) struct OpenSpan(u64);

impl OpenSpan {
    /// Registers the span of a call. `None` if nobody would search for it.
    pub(super) fn new(id: u64, span: &Span) -> Option<Self> {
        IS_TRACKED.load(Ordering::Relaxed).then(|| {
            let span = Arc::new(span.clone());
            spans().insert(id, span);
            Self(id)
        })
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        // Dropped after the lock is released, because a subscriber may log then.
        let span = spans().remove(&self.0);
        drop(span);
    }
}
