//! Threads of blocking handlers that outlive their futures.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use super::panic_location;

/// Completes when the thread has ended.
type LeftThread = Pin<Box<dyn Future<Output = ()> + Send>>;

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

/// Runs `drop`, which drops the future of a handler, and returns the threads that it leaves running.
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

#[cold]
fn leave(threads: Vec<LeftThread>) {
    // Nobody collects the threads of other futures.
    if IS_COLLECTED.get() || panic_location::is_observed() {
        LEFT.with_borrow_mut(|left| left.extend(threads));
        HAS_LEFT.set(true);
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Result of a closure on tokio's blocking thread pool. If it is dropped before the closure has
/// started, the closure never runs. If it is dropped later, the thread continues, and is left by the
/// handler that dropped it.
///
/// `None` in the output of the thread stands for a closure that was taken back.
pub(crate) struct BlockingTask<T: Send + 'static>(Option<JoinHandle<Option<T>>>);

impl<T: Send + 'static> BlockingTask<T> {
    /// Starts the closure, or drops it.
    ///
    /// # Errors
    /// Text of the cause if the system refuses a thread.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(crate) fn spawn(run: impl FnOnce() -> T + Send + 'static) -> Result<Self, String> {
        let runtime = Handle::current();
        let run = Arc::new(Mutex::new(Some(run)));
        let queued = Arc::clone(&run);
        let spawn = || runtime.spawn_blocking(move || take(&queued).map(|run| run()));
        // The runtime panics if there is no thread that could ever run the closure. It stays in the
        // queue: a later thread would run it although its call has failed.
        let spawned = catch_unwind(AssertUnwindSafe(spawn));
        spawned.map(|task| Self(Some(task))).map_err(|panic| {
            drop(take(&run));
            panic_location::take();
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        })
    }
}

impl<T: Send + 'static> Future for BlockingTask<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.0.as_mut().expect("the future was polled after completion");
        let result = Pin::new(handle).poll(cx);
        if result.is_ready() {
            self.0 = None;
        }
        result.map_ok(|output| output.expect("a closure is taken back only if its task was not created"))
    }
}

impl<T: Send + 'static> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        let Some(handle) = self.0.take() else { return };
        handle.abort();
        leave(vec![Box::pin(async { drop(handle.await) })]);
    }
}
