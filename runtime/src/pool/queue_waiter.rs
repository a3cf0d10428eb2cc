//! Slow path of a call: it asks the scheduler, and may wait in the queue.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;

use super::call_errors::{queue_timed_out, refused};
use super::fast_path::Route;
use super::scheduler::{Refusal, Submitted, Ticket, WorkerPermits};
use super::scoped::CallOptions;
use super::state::{PoolShared, WaitState};
use crate::timeouts::elapsed;

/// Result of admitting a call to a pool.
pub(super) enum Admission<'a, C: Codec> {
    Run(Route<'a, C>),
    Wait(QueueWaiter<'a, C>),
}

impl<C: Codec> PoolShared<C> {
    /// Submits a call to the scheduler. The call may run immediately, or must [`wait`](Self::wait).
    pub(super) fn admit(&self, name: &str, options: CallOptions) -> Result<Admission<'_, C>, Error> {
        let submitted = self.update(|state| {
            let submitted = state.scheduler.submit(options.target, options.priority);
            if let Ok(Submitted::Queued(ticket)) = submitted {
                state.waiting.insert(ticket, WaitState::Waiting(Waker::noop().clone()));
            }
            submitted
        });
        match submitted {
            Ok(Submitted::Run(id, worker)) => Ok(Admission::Run(Route::assigned(self, id, &worker))),
            Ok(Submitted::Queued(ticket)) => {
                Ok(Admission::Wait(QueueWaiter { shared: self, ticket: Some(ticket) }))
            }
            Err(refusal) => Err(refused(self, name, refusal)),
        }
    }

    /// Waits until a worker has a permit for the call.
    pub(super) async fn wait<'a>(
        &'a self,
        name: &str,
        mut waiter: QueueWaiter<'a, C>,
    ) -> Result<Route<'a, C>, Error> {
        let since = Instant::now();
        let outcome = tokio::select! {
            biased;
            outcome = poll_fn(|cx| waiter.poll(cx)) => outcome,
            () = elapsed(self.queue_timeout) => return Err(queue_timed_out(self, name)),
        };
        self.lock().queue_stats.add(since.elapsed());
        outcome.map_err(|refusal| refused(self, name, refusal))
    }
}

/// A call in the queue. Dropping it cancels the call.
pub(super) struct QueueWaiter<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    /// `None` after the wait has ended.
    ticket: Option<Ticket>,
}

impl<'a, C: Codec> QueueWaiter<'a, C> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Route<'a, C>, Refusal>> {
        let ticket = self.ticket.expect("a queued call has a ticket");
        let mut state = self.shared.lock();
        match state.waiting.remove(&ticket) {
            Some(WaitState::Assigned(id, worker)) => {
                self.ticket = None;
                Poll::Ready(Ok(Route::assigned(self.shared, id, &worker)))
            }
            Some(WaitState::Refused(refusal)) => {
                self.ticket = None;
                Poll::Ready(Err(refusal))
            }
            Some(WaitState::Waiting(_)) | None => {
                state.waiting.insert(ticket, WaitState::Waiting(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<C: Codec> Drop for QueueWaiter<'_, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.update(|state| match state.waiting.remove(&ticket) {
                Some(WaitState::Assigned(id, worker)) => {
                    worker.release();
                    state.scheduler.permit_released(id.slot);
                }
                _ => state.scheduler.cancel(ticket),
            });
        }
    }
}
