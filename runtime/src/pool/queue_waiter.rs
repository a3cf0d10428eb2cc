//! Slow path of a call: it asks the scheduler, and may wait in the queue.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Name, Request, Response};
use isolated_workers_middleware::call_chain;

use super::call_errors::{AttemptedAction, deadline_passed, queue_timed_out, refused};
use super::call_options::CallOptions;
use super::fast_path::Route;
use super::scheduler::{Submitted, Ticket};
use super::state::PoolShared;
use super::waiting_call::{AssignedCall, QueueOutcome, QueuedRequest, StartedCall, WaitState};
use crate::connection::{Call, Suspect, catch_panic, passed, wake_all};

/// Submission of a call.
#[derive(Clone, Copy)]
pub(super) enum Attempt {
    First,
    /// The call had a permit and was not sent. Contains its ticket, if it has waited.
    Again(Option<Ticket>),
}

/// Result of admitting a call to a pool.
pub(super) enum Admission<'a, C: Codec> {
    Run(Route<'a, C>, Request),
    Wait(QueueWaiter<'a, C>),
}

impl<C: Codec> PoolShared<C> {
    /// Submits a call to the scheduler. The call may run immediately, or must [`wait`](Self::wait).
    pub(super) fn admit(
        &self,
        mut request: Request,
        options: CallOptions,
        attempt: Attempt,
    ) -> Result<Admission<'_, C>, Error> {
        if options.is_suspect && !self.is_exclusive() {
            // Inserted again after the request was returned unsent, because that loses extensions.
            request.extensions_mut().insert(Suspect);
        }
        if let Attempt::Again(_) = attempt {
            call_chain::restore(&mut request);
        }
        let waits_for_itself = self.waits_for_itself(&request);
        let (name, deadline) = (request.to_name(), request.deadline());
        let (submitted, request) = self.update(|state| {
            let CallOptions { target, priority, .. } = options;
            let submitted = match attempt {
                _ if waits_for_itself => {
                    state.scheduler.submit_without_waiting(target, matches!(attempt, Attempt::Again(_)))
                }
                Attempt::First => state.scheduler.submit(target, priority),
                Attempt::Again(ticket) => state.scheduler.resubmit(target, priority, ticket),
            };
            match submitted {
                Ok(Submitted::Queued(ticket)) => {
                    state.waiting.insert(ticket, WaitState::Queued(QueuedRequest::new(request)));
                    (submitted, None)
                }
                // A refused request is dropped after the lock is released.
                _ => (submitted, Some(request)),
            }
        });
        match (submitted, request) {
            (Ok(Submitted::Queued(ticket)), _) => {
                Ok(Admission::Wait(QueueWaiter { shared: self, ticket: Some(ticket), name, deadline }))
            }
            (Ok(Submitted::Run(worker)), Some(request)) => {
                Ok(Admission::Run(Route::assigned(self, &worker), request))
            }
            (Ok(Submitted::Run(..)), None) => unreachable!("only a queued call leaves its request"),
            (Err(refusal), _) => Err(refused(self, AttemptedAction::Call(name.as_str()), refusal)),
        }
    }

    /// Waits until the call has ended. If a worker ended before the request was sent, the call is
    /// made again.
    pub(super) async fn wait(
        &self,
        waiter: QueueWaiter<'_, C>,
        options: CallOptions,
    ) -> Result<Response, Error> {
        let mut admission = Admission::Wait(waiter);
        loop {
            // A call is dropped after it was admitted again.
            admission = match admission {
                Admission::Run(route, request) => {
                    let mut call = Call::with_permit(route, request);
                    let result = (&mut call).await;
                    let Some(unsent) = call.take_unsent() else { return result };
                    self.admit(unsent.request, options, Attempt::Again(None))?
                }
                Admission::Wait(waiter) => {
                    let ticket = waiter.ticket;
                    match self.outcome(waiter).await? {
                        QueueOutcome::Answered(result) => return result,
                        QueueOutcome::Unsent(request) => {
                            self.admit(request, options, Attempt::Again(ticket))?
                        }
                        QueueOutcome::Started(mut call, queued) => {
                            let result = (&mut call).await;
                            let Some(unsent) = call.take_unsent() else {
                                return result.map_err(|error| with_queue_time(error, queued));
                            };
                            self.admit(unsent.request, options, Attempt::Again(ticket))?
                        }
                        QueueOutcome::Refused(_) => unreachable!("a refusal is an error"),
                    }
                }
            };
        }
    }

    /// Returns `true` if a call of this pool waits for `request`.
    pub(super) fn waits_for_itself(&self, request: &Request) -> bool {
        self.chain_id.as_deref().is_some_and(|id| call_chain::waits_in(request, id))
    }

    /// Time at which a call or checkout that is queued now leaves the queue. `None`: no limit.
    pub(super) fn queue_limit(&self) -> Option<Instant> {
        let limit = self.queue_timeout;
        (!limit.is_zero()).then(|| Instant::now().checked_add(limit)).flatten()
    }

    /// Waits until a queued call was started or has ended.
    async fn outcome(&self, mut waiter: QueueWaiter<'_, C>) -> Result<QueueOutcome<C>, Error> {
        let (queue_limit, deadline) = (self.queue_limit(), waiter.deadline);
        let outcome = tokio::select! {
            biased;
            outcome = poll_fn(|cx| waiter.poll(cx)) => outcome,
            // Needs no timers of the caller's runtime, which may have none.
            () = passed(queue_limit) => {
                if waiter.leave_queue() {
                    return Err(queue_timed_out(self, AttemptedAction::Call(waiter.name.as_str())));
                }
                poll_fn(|cx| waiter.poll(cx)).await
            }
            () = passed(deadline) => {
                if waiter.leave_queue() {
                    return Err(deadline_passed(self, AttemptedAction::Call(waiter.name.as_str())));
                }
                poll_fn(|cx| waiter.poll(cx)).await
            }
        };
        match outcome {
            QueueOutcome::Refused(refusal) => {
                Err(refused(self, AttemptedAction::Call(waiter.name.as_str()), refusal))
            }
            outcome => Ok(outcome),
        }
    }

    /// Starts the calls that got a permit, unless another thread does that already, or this thread
    /// further up the stack: a oneway message releases its permit as soon as it is sent, and the
    /// next call gets it.
    pub(super) fn start_assigned(&self) {
        loop {
            let mut state = self.lock();
            let Some(assigned) = state.assigned.pop_front() else {
                state.is_starting_calls = false;
                drop(state);
                // A pool that drains waits for this.
                self.notify.notify_one();
                return;
            };
            let has_caller = state.waiting.contains_key(&assigned.ticket());
            drop(state);
            // A destructor of user code that panics must not keep the other calls from starting.
            let _ = catch_panic("a destructor", || {
                if has_caller {
                    self.start(assigned);
                } else {
                    assigned.cancel();
                }
            });
        }
    }

    fn start(&self, assigned: AssignedCall<C>) {
        let StartedCall { ticket, outcome, is_over, waker } = assigned.start();
        let mut state = self.lock();
        let replaced = match state.waiting.get_mut(&ticket) {
            Some(entry) => Ok(std::mem::replace(entry, WaitState::Ended(outcome))),
            // The caller is gone.
            None => Err(outcome),
        };
        drop(state);
        // A call that waits for its answer has the first waker itself.
        let newer = if let Ok(WaitState::Starting(newer)) = replaced { newer } else { None };
        wake_all(newer.or(is_over.then_some(waker)));
    }
}

/// Adds the time in the queue to a crash. It does not count towards the timeout of the call.
#[cold]
fn with_queue_time(error: Error, queued: Duration) -> Error {
    let Some(crash) = error.crash() else { return error };
    let mut crash = crash.clone();
    crash.queued = queued;
    Error::crashed(crash).with_executed(error.executed())
}

/// A call in the queue. Dropping it cancels the call.
pub(super) struct QueueWaiter<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    /// `None` after the wait has ended.
    ticket: Option<Ticket>,
    name: Name,
    /// Deadline that a layer of the host has set.
    deadline: Option<Instant>,
}

impl<C: Codec> QueueWaiter<'_, C> {
    /// Removes the call from the queue. Returns `false` if it is not queued: it is being started,
    /// or has ended.
    fn leave_queue(&mut self) -> bool {
        let Some(ticket) = self.ticket else { return false };
        // Dropped after the lock is released.
        let removed = self.shared.update(|state| {
            let is_queued = matches!(state.waiting.get(&ticket), Some(WaitState::Queued(_)));
            is_queued.then(|| {
                state.scheduler.cancel(ticket);
                state.waiting.remove(&ticket)
            })
        });
        if removed.is_some() {
            self.ticket = None;
        }
        removed.is_some()
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<QueueOutcome<C>> {
        let ticket = self.ticket.expect("a queued call has a ticket");
        // Cloned before the lock is taken, and dropped after it is released: a waker is user code.
        let waker = cx.waker().clone();
        let _replaced;
        let mut state = self.shared.lock();
        _replaced = match state.waiting.get_mut(&ticket) {
            Some(WaitState::Queued(queued)) => Some(std::mem::replace(&mut queued.waker, waker)),
            Some(WaitState::Starting(newer)) => newer.replace(waker),
            Some(WaitState::Ended(_)) | None => Some(waker),
        };
        if let Some(WaitState::Ended(_)) = state.waiting.get(&ticket)
            && let Some(WaitState::Ended(outcome)) = state.waiting.remove(&ticket)
        {
            self.ticket = None;
            return Poll::Ready(outcome);
        }
        Poll::Pending
    }
}

impl<C: Codec> Drop for QueueWaiter<'_, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            // Dropped after the lock is released: its call releases a permit, and its waker and
            // request are user code.
            let _removed = self.shared.update(|state| {
                let removed = state.waiting.remove(&ticket);
                if let Some(WaitState::Queued(_)) = removed {
                    state.scheduler.cancel(ticket);
                }
                removed
            });
            self.shared.notify.notify_one();
        }
    }
}
