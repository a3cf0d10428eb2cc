//! A call in the queue, and its start.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use tokio::runtime::{Handle, Id};

use super::scheduler::{Refusal, Ticket};
use crate::Link;
use crate::connection::{Call, CallTarget, catch_panic};

/// Entry of a queued call.
///
/// The pool starts the call itself once it has a permit. A caller that is not polled therefore
/// holds no permit that another call could use (decision 38).
pub(super) enum WaitState<C: Codec> {
    Queued(QueuedRequest),
    /// The call has a permit and is being started. Contains a newer waker of its caller, if any.
    Starting(Option<Waker>),
    Ended(QueueOutcome<C>),
}

/// Request of a queued call.
pub(super) struct QueuedRequest {
    pub(super) request: Request,
    pub(super) since: Instant,
    /// Runtime of the caller.
    caller: Option<Id>,
    pub(super) waker: Waker,
}

/// End of a call's wait in the queue.
pub(super) enum QueueOutcome<C: Codec> {
    /// The call is in flight. It was queued for this time.
    Started(Call<AssignedRoute<C>>, Duration),
    Answered(Result<Response, Error>),
    /// The worker has ended before the call was sent.
    Unsent(Request),
    Refused(Refusal),
}

/// A queued call that got a permit, and that the pool starts.
pub(super) struct AssignedCall<C: Codec> {
    ticket: Ticket,
    link: Link<C>,
    queued: QueuedRequest,
}

/// State of a call after its start.
pub(super) struct StartedCall<C: Codec> {
    pub(super) ticket: Ticket,
    pub(super) outcome: QueueOutcome<C>,
    /// `true` if the call has ended.
    pub(super) is_over: bool,
    /// Waker of its caller.
    pub(super) waker: Waker,
}

impl<C: Codec> AssignedCall<C> {
    pub(super) fn new(ticket: Ticket, link: Link<C>, queued: QueuedRequest) -> Self {
        Self { ticket, link, queued }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Starts the call. User code that panics ends the call: its caller is another.
    pub(super) fn start(self) -> StartedCall<C> {
        let Self { ticket, link, queued: QueuedRequest { request, since, caller, waker } } = self;
        let (queued, name) = (since.elapsed(), request.to_name());
        let started = catch_panic("the waker of its caller", || {
            let mut call = Call::for_caller(AssignedRoute(link), request, caller);
            match Pin::new(&mut call).poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => (QueueOutcome::Started(call, queued), false),
                Poll::Ready(result) => match call.take_unsent() {
                    Some(unsent) => (QueueOutcome::Unsent(unsent.request), true),
                    None => (QueueOutcome::Answered(result), true),
                },
            }
        });
        let (outcome, is_over) = started
            .unwrap_or_else(|panic| (QueueOutcome::Answered(Err(panicked(name.as_str(), &panic))), true));
        StartedCall { ticket, outcome, is_over, waker }
    }

    /// Releases the permit of a call whose caller is gone.
    pub(super) fn cancel(self) {
        let Self { link, queued: QueuedRequest { request, caller, .. }, .. } = self;
        drop(Call::for_caller(AssignedRoute(link), request, caller));
    }
}

impl QueuedRequest {
    pub(super) fn new(request: Request) -> Self {
        let caller = Handle::try_current().ok().map(|runtime| runtime.id());
        // The first poll of the waiter sets the waker.
        Self { request, since: Instant::now(), caller, waker: Waker::noop().clone() }
    }
}

/// Route of a queued call, or of a call of a session, to the worker that the scheduler assigned. It
/// borrows nothing, because the pool itself starts a queued call.
pub(super) struct AssignedRoute<C: Codec>(Link<C>);

impl<C: Codec> AssignedRoute<C> {
    pub(super) fn new(link: Link<C>) -> Self {
        Self(link)
    }
}

impl<C: Codec> CallTarget for AssignedRoute<C> {
    type Codec = C;
    const NEEDS_PERMIT: bool = true;

    fn link(&self) -> &Link<C> {
        &self.0
    }
}

/// Error of a queued call whose start panicked.
#[cold]
fn panicked(name: &str, panic: &str) -> Error {
    let text = format!("could not call `{name}`: {panic}; fix the panic");
    // It may have been sent before the panic.
    Error::new(ErrorKind::Panicked, text).with_executed(Executed::Maybe)
}
