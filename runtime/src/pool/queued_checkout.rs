//! A checkout in the queue.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Body, Error, Name, Request};
use isolated_workers_middleware::call_chain;

use super::call_errors::{AttemptedAction, deadline_passed, queue_timed_out, refused};
use super::call_options::CallOptions;
use super::checkout_state::QueuedCheckout;
use super::fast_path::WorkerHandle;
use super::scheduler::{Refusal, Submitted, Ticket};
use super::session::SessionOwner;
use super::state::PoolShared;
use crate::connection::passed;

impl<C: Codec> PoolShared<C> {
    /// Checks out a worker, and waits for it in the queue if necessary.
    pub(super) async fn check_out(self: &Arc<Self>, options: CallOptions) -> Result<SessionOwner<C>, Error> {
        let CallOptions { target, priority, .. } = options;
        // A checkout in a handler of a callback belongs to the chain of its call.
        let mut chain = Request::new(Name::from_static("checkout"), Body::empty());
        call_chain::inherit(&mut chain);
        let waits_for_itself = self.waits_for_itself(&chain);
        let submitted = self.update(|state| {
            let submitted = if waits_for_itself {
                state.scheduler.check_out_without_waiting(target)
            } else {
                state.scheduler.check_out(target, priority)
            };
            if let Ok(Submitted::Queued(ticket)) = submitted {
                // The first poll of the waiter sets the waker.
                let waiting = QueuedCheckout::Waiting { since: Instant::now(), waker: Waker::noop().clone() };
                state.checkouts.insert(ticket, waiting);
            }
            submitted
        });
        match submitted {
            Ok(Submitted::Run(worker)) => Ok(SessionOwner::new(self, worker)),
            Ok(Submitted::Queued(ticket)) => {
                let waiter = CheckoutWaiter { shared: self, ticket };
                waiter.wait(chain.deadline()).await.map(|worker| SessionOwner::new(self, worker))
            }
            Err(refusal) => Err(refused(self, AttemptedAction::CheckOut, refusal)),
        }
    }
}

/// A checkout in the queue. Dropping it cancels the checkout.
struct CheckoutWaiter<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    ticket: Ticket,
}

impl<C: Codec> CheckoutWaiter<'_, C> {
    async fn wait(self, deadline: Option<Instant>) -> Result<WorkerHandle<C>, Error> {
        let queue_limit = self.shared.queue_limit();
        let outcome = tokio::select! {
            biased;
            outcome = poll_fn(|cx| self.poll(cx)) => outcome,
            () = passed(queue_limit) => return Err(queue_timed_out(self.shared, AttemptedAction::CheckOut)),
            () = passed(deadline) => return Err(deadline_passed(self.shared, AttemptedAction::CheckOut)),
        };
        outcome.map_err(|refusal| refused(self.shared, AttemptedAction::CheckOut, refusal))
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<WorkerHandle<C>, Refusal>> {
        // Cloned before the lock is taken, and dropped after it is released: a waker is user code.
        let mut newer = cx.waker().clone();
        let mut state = self.shared.lock();
        if let Some(QueuedCheckout::Waiting { waker, .. }) = state.checkouts.get_mut(&self.ticket) {
            std::mem::swap(waker, &mut newer);
            drop(state);
            return Poll::Pending;
        }
        match state.checkouts.remove(&self.ticket) {
            Some(QueuedCheckout::CheckedOut(worker)) => Poll::Ready(Ok(worker)),
            Some(QueuedCheckout::Refused(refusal)) => Poll::Ready(Err(refusal)),
            Some(QueuedCheckout::Waiting { .. }) | None => unreachable!("a checkout ends once"),
        }
    }
}

impl<C: Codec> Drop for CheckoutWaiter<'_, C> {
    /// Leaves the queue. A worker that was not taken goes back to the pool: it was not used.
    fn drop(&mut self) {
        let ticket = self.ticket;
        // Dropped after the lock is released: its waker is user code.
        let _removed = self.shared.update(|state| {
            let removed = state.checkouts.remove(&ticket);
            match &removed {
                Some(QueuedCheckout::Waiting { .. }) => state.scheduler.cancel(ticket),
                Some(QueuedCheckout::CheckedOut(worker)) => {
                    state.scheduler.give_back(worker.id, worker, true)
                }
                Some(QueuedCheckout::Refused(_)) | None => {}
            }
            removed
        });
        self.shared.notify.notify_one();
    }
}
