use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use isolated_workers_core::{Error, Request, Response, TxId};
use slab::Slab;

/// Callers that wait for the results of their calls. The key of a waiter is the token of its call
/// in the state machine.
///
/// A waiter outlives the entry of its call in the state machine. That entry is removed as soon as
/// the answer arrives, which frees the transaction id. The caller may take the result much later
/// (see docs/decisions/0024-a-waiter-outlives-its-call.md).
#[derive(Default)]
pub(super) struct Waiters(Slab<Waiter>);

enum Waiter {
    Waiting(Waker),
    Answered(Result<Response, Error>),
    /// The request was not sent. Another worker may run it.
    Unsent(Request),
    /// The call has moved to this link with its connection.
    Moved(Arc<dyn MovedCalls>),
}

/// Link that has the calls of another one.
pub(super) trait MovedCalls: Send + Sync {
    /// Polls the result of a call. `key` is the key of its waiter.
    fn poll(&self, key: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>>;

    /// Cancels a call whose future was dropped. Returns the wakers to call.
    fn abandon(&self, key: usize, id: &TxId) -> Vec<Waker>;
}

/// Call whose future was dropped.
pub(super) enum Removed {
    InFlight,
    Moved(Arc<dyn MovedCalls>),
    Ended,
}

impl Waiters {
    /// Key that the next [`insert`](Self::insert) assigns.
    #[inline]
    pub(super) fn next_key(&self) -> usize {
        self.0.vacant_key()
    }

    #[inline]
    pub(super) fn insert(&mut self, cx: &Context<'_>) {
        self.0.insert(Waiter::Waiting(cx.waker().clone()));
    }

    /// Stores the result of a call. Returns the waker of its caller.
    #[inline]
    pub(super) fn complete(&mut self, key: usize, result: Result<Response, Error>) -> Option<Waker> {
        match std::mem::replace(&mut self.0[key], Waiter::Answered(result)) {
            Waiter::Waiting(waker) => Some(waker),
            Waiter::Answered(_) | Waiter::Unsent(_) | Waiter::Moved(_) => None,
        }
    }

    /// Moves the callers that still wait to another link, under the same keys.
    pub(super) fn hand_over(&mut self, link: &Arc<dyn MovedCalls>) -> Self {
        let waiting = self.0.iter_mut().filter(|(_, waiter)| matches!(waiter, Waiter::Waiting(_)));
        Self(waiting.map(|(key, it)| (key, std::mem::replace(it, Waiter::Moved(Arc::clone(link))))).collect())
    }

    /// Replaces the result of a call with its request, because the request was not sent.
    pub(super) fn return_unsent(&mut self, key: usize, request: Request) {
        self.0[key] = Waiter::Unsent(request);
    }

    #[inline]
    pub(super) fn poll(&mut self, key: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>> {
        match &mut self.0[key] {
            Waiter::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Waiter::Answered(_) => match self.0.remove(key) {
                Waiter::Answered(result) => Poll::Ready(result),
                _ => unreachable!("the waiter was answered a line ago"),
            },
            Waiter::Moved(link) => {
                let answer = link.poll(key, cx);
                if answer.is_ready() {
                    self.0.remove(key);
                }
                answer
            }
            Waiter::Unsent(_) => unreachable!("a call with a permit takes an unsent request first"),
        }
    }

    /// Takes the request of a call that was not sent. `None` if it was sent or has no result yet.
    #[inline]
    pub(super) fn take_unsent(&mut self, key: usize) -> Option<Request> {
        if !matches!(self.0[key], Waiter::Unsent(_)) {
            return None;
        }
        match self.0.remove(key) {
            Waiter::Unsent(request) => Some(request),
            _ => None,
        }
    }

    /// Removes a waiter.
    pub(super) fn remove(&mut self, key: usize) -> Removed {
        match self.0.remove(key) {
            Waiter::Waiting(_) => Removed::InFlight,
            Waiter::Moved(link) => Removed::Moved(link),
            Waiter::Answered(_) | Waiter::Unsent(_) => Removed::Ended,
        }
    }
}
