//! Threads of blocking handlers that outlive their cancelled calls.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

/// Completes when the thread has ended.
pub type LeftThread = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// Threads left by the futures that [`of`] drops. `None` while it does not run.
    static LEFT: RefCell<Option<Vec<LeftThread>>> = const { RefCell::new(None) };
}

/// Runs `drop`, which drops the future of a handler, and returns the threads that it leaves running.
pub fn of(drop: impl FnOnce()) -> Vec<LeftThread> {
    /// Ends the collection, even if a destructor panics.
    struct End;

    impl Drop for End {
        fn drop(&mut self) {
            LEFT.take();
        }
    }

    LEFT.set(Some(Vec::new()));
    let _end = End;
    drop();
    LEFT.take().unwrap_or_default()
}

/// Result of a closure on tokio's blocking thread pool. If it is dropped before the closure has
/// started, the closure never runs. If it is dropped later, the thread continues, and [`of`] returns
/// it.
pub(crate) struct BlockingTask<T: Send + 'static>(Option<JoinHandle<T>>);

impl<T: Send + 'static> BlockingTask<T> {
    pub(crate) fn spawn(run: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Some(tokio::task::spawn_blocking(run)))
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
        result
    }
}

impl<T: Send + 'static> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        let Some(handle) = self.0.take() else { return };
        handle.abort();
        LEFT.with_borrow_mut(|left| {
            if let Some(left) = left {
                left.push(Box::pin(async { drop(handle.await) }));
            }
        });
    }
}
