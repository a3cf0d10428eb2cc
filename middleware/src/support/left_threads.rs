//! Threads of blocking handlers that outlive their futures.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;

use super::panic_location;

/// Completes when the thread has ended.
pub(crate) type LeftThread = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// `true` while [`of`] runs on this thread.
    static IS_COLLECTED: Cell<bool> = const { Cell::new(false) };
    /// `true` if `LEFT` is not empty.
    static HAS_LEFT: Cell<bool> = const { Cell::new(false) };
    /// Threads left by the futures that were dropped since the last [`LeftThreads::collect`].
    static LEFT: RefCell<Vec<LeftThread>> = const { RefCell::new(Vec::new()) };
}

/// Threads that a handler has left running. If they are dropped while a handler is polled or
/// dropped, they are left by that handler.
#[derive(Default)]
pub struct LeftThreads(Vec<LeftThread>);

impl LeftThreads {
    /// Adds the threads that the last poll of a handler has left on this thread.
    #[inline]
    pub fn collect(&mut self) {
        if HAS_LEFT.get() {
            self.0.append(&mut take_left());
        }
    }

    /// Waits until the threads have ended. Cancel-safe.
    pub async fn ended(&mut self) {
        while let Some(thread) = self.0.last_mut() {
            thread.await;
            self.0.pop();
        }
    }
}

impl fmt::Debug for LeftThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeftThreads").field(&self.0.len()).finish()
    }
}

impl Drop for LeftThreads {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            leave(std::mem::take(&mut self.0));
        }
    }
}

/// Runs `drop`, which drops the future of a handler, and returns the threads that it leaves
/// running.
pub fn of(drop: impl FnOnce()) -> LeftThreads {
    /// Ends the collection, even if a destructor panics.
    struct End;

    impl Drop for End {
        fn drop(&mut self) {
            IS_COLLECTED.set(false);
        }
    }

    forget();
    IS_COLLECTED.set(true);
    let _end = End;
    drop();
    LeftThreads(take_left())
}

/// Forgets the threads that were left on this thread.
pub(crate) fn forget() {
    if HAS_LEFT.get() {
        drop(take_left());
    }
}

#[cold]
fn take_left() -> Vec<LeftThread> {
    HAS_LEFT.set(false);
    LEFT.take()
}

/// Leaves `threads` to the handler that this thread polls or drops.
#[cold]
pub(crate) fn leave(threads: Vec<LeftThread>) {
    // Nobody collects the threads of other futures.
    if IS_COLLECTED.get() || panic_location::is_observed() {
        LEFT.with_borrow_mut(|left| left.extend(threads));
        HAS_LEFT.set(true);
    }
}
