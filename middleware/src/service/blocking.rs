//! Work on tokio's blocking thread pool that belongs to a handler or to a call.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use super::call_chain;
use crate::support::{left_threads, panic_location};

thread_local! {
    /// `true` while this thread runs work.
    static IS_WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Result of work on a blocking thread. If it is dropped before the work has started, the work
/// never runs. If it is dropped later, the thread continues, and is left by the handler that
/// dropped it.
///
/// Panics if the work has panicked.
///
/// `None` in the output of the thread stands for work that was taken back.
pub(super) struct BlockingTask<T: Send + 'static>(Option<JoinHandle<Option<Result<T, Panic>>>>);

/// Work that has ended.
pub(super) struct EndedWork<T>(Result<Option<Result<T, Panic>>, JoinError>);

/// Panic of work.
struct Panic {
    payload: Box<dyn Any + Send>,
    location: Option<String>,
}

/// The runtime was shut down before the work has run.
pub(super) struct ShutDown;

/// The system refuses a thread for the work.
pub(super) struct NoThread<F> {
    pub(super) work: F,
    pub(super) cause: String,
}

impl<T: Send + 'static> BlockingTask<T> {
    /// Starts the work. Calls that it makes belong to the chain of the handler that this thread
    /// polls.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(super) fn spawn<F>(work: F) -> Result<Self, NoThread<F>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let (runtime, chain) = (Handle::current(), call_chain::current());
        let work = Arc::new(Mutex::new(Some(work)));
        let queued = Arc::clone(&work);
        let spawn = || runtime.spawn_blocking(move || take(&queued).map(|work| run(chain, work)));
        // The runtime panics if there is no thread that could ever run the work. It stays in the
        // queue: a later thread would run it although its call has failed.
        match catch_unwind(AssertUnwindSafe(spawn)) {
            Ok(task) => Ok(Self(Some(task))),
            Err(panic) => {
                let work = take(&work).expect("no thread has run it");
                panic_location::take();
                Err(NoThread { work, cause: panic.downcast_ref::<String>().cloned().unwrap_or_default() })
            }
        }
    }

    /// Waits until the work has ended. Does not panic if the work has.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<EndedWork<T>> {
        let handle = self.0.as_mut().expect("the future was polled after completion");
        let Poll::Ready(ended) = Pin::new(handle).poll(cx) else { return Poll::Pending };
        self.0 = None;
        Poll::Ready(EndedWork(ended))
    }
}

impl<T> EndedWork<T> {
    /// Returns the output of the work.
    ///
    /// # Panics
    /// Panics if the work has panicked.
    pub(super) fn into_result(self) -> Result<T, ShutDown> {
        // Panics are caught on the thread, so without output the runtime has dropped the task.
        let Ok(output) = self.0 else { return Err(ShutDown) };
        match output.expect("work is taken back only if its task was not created") {
            Ok(output) => Ok(output),
            Err(Panic { payload, location }) => {
                panic_location::set(location);
                resume_unwind(payload)
            }
        }
    }
}

/// Returns `true` if this thread runs work: it may compute for a long time.
pub(super) fn is_working() -> bool {
    IS_WORKING.get()
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn run<T>(chain: Option<call_chain::CallChain>, work: impl FnOnce() -> T) -> Result<T, Panic> {
    IS_WORKING.set(true);
    let work = || call_chain::within(chain, work);
    let worked = panic_location::observe(|| catch_unwind(AssertUnwindSafe(work)));
    IS_WORKING.set(false);
    // Work of others, which this one has dropped.
    left_threads::forget();
    worked.map_err(|payload| Panic { payload, location: panic_location::take() })
}

impl<T: Send + 'static> Future for BlockingTask<T> {
    type Output = Result<T, ShutDown>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_ended(cx).map(EndedWork::into_result)
    }
}

impl<T: Send + 'static> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        let Some(handle) = self.0.take() else { return };
        handle.abort();
        left_threads::leave(vec![Box::pin(async { drop(handle.await) })]);
    }
}
