use std::sync::Arc;
use std::task::{Context, Waker};

use isolated_workers_core::protocol::StreamEnd;
use isolated_workers_core::{Error, Request, Response};
use slab::Slab;

use super::link_calls::LinkCalls;

/// Callers that wait for the results of their calls. The key of a waiter is the token of its call
/// in the state machine.
///
/// A waiter outlives the entry of its call in the state machine. That entry is removed as soon as
/// the answer arrives, which frees the transaction id. The caller may take the result much later
/// (see docs/decisions/0024-a-waiter-outlives-its-call.md).
///
/// Wakers and results contain user code. They are returned, so that they are dropped after the
/// mutex is released.
#[derive(Default)]
pub(super) struct Waiters(Slab<Waiter>);

/// Entry of a caller.
pub(super) enum Waiter {
    Waiting(Waker, Held),
    Answered(Result<Response, Error>),
    /// The call has streams, and has ended.
    StreamEnded(Box<StreamEnd>),
    /// The request was not sent. Another worker may run it.
    Unsent(Request),
    /// The call has moved to this link with its connection.
    Moved(Arc<dyn LinkCalls>),
}

/// Rights that a call holds from its start to its end, whether its caller is polled or not
/// (decision 38).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// `true` if the call holds a permit for its worker.
    pub(super) permit: bool,
    /// `true` if the call is the one suspect that may run.
    pub(super) suspect: bool,
}

/// Result of polling a waiter.
pub(super) enum Polled {
    Answered(Result<Response, Error>),
    StreamEnded(Box<StreamEnd>),
    Unsent(Request),
    /// The call has not ended.
    Pending,
    /// The call has not ended, and has another waker than this poll.
    OtherWaker,
    /// Poll the call there.
    Moved(Arc<dyn LinkCalls>),
}

impl Waiters {
    /// Key that the next [`insert`](Self::insert) assigns.
    #[inline]
    pub(super) fn next_key(&self) -> usize {
        self.0.vacant_key()
    }

    #[inline]
    pub(super) fn insert(&mut self, held: Held, waker: Waker) {
        self.0.insert(Waiter::Waiting(waker, held));
    }

    /// Returns `true` if a call that has not ended holds a permit.
    pub(super) fn has_permit(&self, key: usize) -> bool {
        matches!(self.0.get(key), Some(Waiter::Waiting(_, held)) if held.permit)
    }

    /// Releases the right of a call to be the one suspect. Returns `true` if it was.
    pub(super) fn release_suspect(&mut self, key: usize) -> bool {
        match self.0.get_mut(key) {
            Some(Waiter::Waiting(_, held)) => std::mem::take(&mut held.suspect),
            _ => false,
        }
    }

    /// Stores the result of a call. Returns the waker of its caller, and what the call held.
    #[inline]
    pub(super) fn complete(&mut self, key: usize, result: Result<Response, Error>) -> Option<(Waker, Held)> {
        self.end(key, Waiter::Answered(result))
    }

    /// Like [`complete`](Self::complete), for a call with streams.
    #[cold]
    pub(super) fn complete_stream(&mut self, key: usize, end: Box<StreamEnd>) -> Option<(Waker, Held)> {
        self.end(key, Waiter::StreamEnded(end))
    }

    #[inline]
    fn end(&mut self, key: usize, ended: Waiter) -> Option<(Waker, Held)> {
        match std::mem::replace(&mut self.0[key], ended) {
            Waiter::Waiting(waker, held) => Some((waker, held)),
            Waiter::Answered(_) | Waiter::StreamEnded(_) | Waiter::Unsent(_) | Waiter::Moved(_) => None,
        }
    }

    /// Returns `true` if the call has not ended and was not moved to another link.
    pub(super) fn is_waiting(&self, key: usize) -> bool {
        matches!(self.0.get(key), Some(Waiter::Waiting(..)))
    }

    /// Takes the waker of a caller that waits. It must poll again to be woken again.
    pub(super) fn take_waker(&mut self, key: usize) -> Option<Waker> {
        match self.0.get_mut(key) {
            Some(Waiter::Waiting(waker, _)) => Some(std::mem::replace(waker, Waker::noop().clone())),
            _ => None,
        }
    }

    /// Moves the callers that still wait to another link, under the same keys.
    pub(super) fn hand_over(&mut self, link: &Arc<dyn LinkCalls>) -> Self {
        let waiting = self.0.iter_mut().filter(|(_, waiter)| matches!(waiter, Waiter::Waiting(..)));
        Self(waiting.map(|(key, it)| (key, std::mem::replace(it, Waiter::Moved(Arc::clone(link))))).collect())
    }

    /// Replaces the result of a call with its request, because the request was not sent.
    pub(super) fn return_unsent(&mut self, key: usize, request: Request) {
        self.0[key] = Waiter::Unsent(request);
    }

    #[inline]
    pub(super) fn poll(&mut self, key: usize, cx: &Context<'_>) -> Polled {
        match &mut self.0[key] {
            Waiter::Waiting(waker, _) => {
                // Not cloned here: the clone is user code, which may panic or lock.
                return if waker.will_wake(cx.waker()) { Polled::Pending } else { Polled::OtherWaker };
            }
            Waiter::Moved(link) => return Polled::Moved(Arc::clone(link)),
            Waiter::Answered(_) | Waiter::StreamEnded(_) | Waiter::Unsent(_) => {}
        }
        match self.0.remove(key) {
            Waiter::Answered(result) => Polled::Answered(result),
            Waiter::StreamEnded(end) => Polled::StreamEnded(end),
            Waiter::Unsent(request) => Polled::Unsent(request),
            Waiter::Waiting(..) | Waiter::Moved(_) => unreachable!("the waiter was checked a line ago"),
        }
    }

    /// Replaces the waker of a call with `newer`, or leaves it there if the call has ended. Returns
    /// `true` if the call has not ended. Drop the other waker after the mutex is released.
    pub(super) fn replace_waker(&mut self, key: usize, newer: &mut Waker) -> bool {
        match &mut self.0[key] {
            Waiter::Waiting(waker, _) => {
                std::mem::swap(waker, newer);
                true
            }
            Waiter::Moved(_) | Waiter::Answered(_) | Waiter::StreamEnded(_) | Waiter::Unsent(_) => false,
        }
    }

    /// Removes a waiter.
    pub(super) fn remove(&mut self, key: usize) -> Waiter {
        self.0.remove(key)
    }
}
