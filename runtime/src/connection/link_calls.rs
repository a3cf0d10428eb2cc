//! Calls of a link, with the codec erased from the type.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use isolated_workers_core::protocol::Receiving;
use isolated_workers_core::{Body, Error, Request, Response, Role, TxId};

/// Calls of a link, with the codec erased from the type.
///
/// A connection may be handed over to another link at any time, with its streams. The methods for
/// streams return `None` if the stream is no longer here.
pub(crate) trait LinkCalls: Send + Sync {
    /// Polls the result of a call without streams. `key` is the key of its waiter.
    fn poll(&self, key: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>>;

    /// Polls a call of this side with streams. Moves the items that have arrived to the end of
    /// `items`. `finished`: cost of the items that the caller has finished since the last time. It
    /// counts if this returns [`CallPoll::Pending`].
    fn poll_call(
        &self,
        call: &StreamCall,
        finished: usize,
        items: &mut VecDeque<Body>,
        cx: &Context<'_>,
    ) -> CallPoll;

    /// Polls the items that arrive for a request of the peer. `Pending`: no items have arrived.
    fn poll_request(
        &self,
        request: &Arc<StreamRequest>,
        finished: usize,
        items: &mut VecDeque<Body>,
        cx: &Context<'_>,
    ) -> Option<Poll<Receiving>>;

    /// Records that items of a stream are finished.
    fn finish_items(&self, stream: StreamRef<'_>, cost: usize) -> Option<()>;

    /// Waits until items may be sent. Returns their cost, which the last one may exceed, or 0 if
    /// the call has ended.
    fn poll_sending(&self, stream: StreamRef<'_>, cx: &Context<'_>) -> Option<Poll<usize>>;

    /// Sends all `items`, and leaves the vector empty unless the stream is no longer here. Returns
    /// the cost of the items that may follow at once. `at_once`: `true` if the caller may compute for
    /// long before the connection task runs, so that the items are written here.
    fn send_items(&self, stream: StreamRef<'_>, items: &mut Vec<Body>, at_once: bool) -> Option<usize>;

    /// Ends the items of a call of this side.
    fn end_items(&self, call: &StreamCall) -> Option<()>;

    /// Cancels a call whose future was dropped.
    fn abandon(&self, key: usize, id: &TxId);

    fn wake_task(&self);

    /// Returns the deadline of a call if its caller, which polls it, does not run on the runtime of
    /// the connection task. It must then watch the deadline itself.
    fn deadline_away(&self, id: &TxId) -> Option<Instant>;

    /// Ends the calls whose deadline was at or before `until`.
    fn handle_timeout(&self, until: Instant);
}

/// Call of this side with streams.
#[derive(Debug)]
pub(crate) struct StreamCall {
    /// Key of its waiter.
    pub(super) key: usize,
    pub(super) id: TxId,
}

/// Request of the peer that has streams.
pub(crate) struct StreamRequest {
    pub(super) id: TxId,
    /// Set under the mutex of the link when the request was answered. Another request may then have
    /// its id.
    is_answered: AtomicBool,
    /// Link of its connection. It changes if the connection is handed over.
    link: Mutex<Arc<dyn LinkCalls>>,
}

impl StreamRequest {
    pub(super) fn new(id: TxId, link: Arc<dyn LinkCalls>) -> Self {
        Self { id, is_answered: AtomicBool::new(false), link: Mutex::new(link) }
    }

    /// Records that the request was answered, or that its connection was lost.
    pub(super) fn set_answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Changes the link, because the connection was handed over.
    pub(super) fn set_link(&self, link: &Arc<dyn LinkCalls>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(link);
    }

    fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed)
    }

    /// Calls `poll` with the link of the request, until the link knows the request. `None`: the
    /// request was answered, or its connection was lost.
    pub(super) fn on_link<T>(&self, mut poll: impl FnMut(&dyn LinkCalls) -> Option<T>) -> Option<T> {
        loop {
            let link = Arc::clone(&self.link.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(polled) = poll(&*link) {
                return Some(polled);
            }
            if self.is_answered() {
                return None;
            }
            // The connection is being handed over.
            std::thread::yield_now();
        }
    }
}

impl fmt::Debug for StreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamRequest").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Streams of a call of this side, or of a request of the peer.
#[derive(Clone, Copy)]
pub(crate) enum StreamRef<'a> {
    Call(&'a StreamCall),
    Request(&'a Arc<StreamRequest>),
}

impl StreamRef<'_> {
    pub(super) fn id(&self) -> &TxId {
        match self {
            Self::Call(call) => &call.id,
            Self::Request(request) => &request.id,
        }
    }

    pub(super) fn role(&self) -> Role {
        match self {
            Self::Call(_) => Role::Caller,
            Self::Request(_) => Role::Callee,
        }
    }
}

/// Result of polling a call with streams.
pub(crate) enum CallPoll {
    /// The call goes on. Items may have arrived.
    Pending,
    /// The call has ended, and all items were taken.
    Ended(Result<Response, Error>),
    /// The request was not sent.
    Unsent(Request),
    /// Poll the call there.
    Moved(Arc<dyn LinkCalls>),
}
