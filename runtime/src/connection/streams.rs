//! Streams of items that belong to calls.
//!
//! The state machine holds the items that have arrived. Whoever polls a stream takes all of them
//! under one lock, and gives back their credit as they are used up.

mod coarse_time;
mod handlers;
mod item_sender;
mod request_items;
mod stalled_senders;
mod streaming_call;

use std::sync::Arc;
use std::task::{Poll, Waker};

use isolated_workers_codec::Framing;
use isolated_workers_core::protocol::{Event, Sending};
use isolated_workers_core::{Body, Error, Items, Request, Role, TxId};
use tokio::runtime::Id;

pub(super) use self::handlers::HandlerStreams;
pub(crate) use self::item_sender::ItemSender;
use self::request_items::RequestItems;
use self::stalled_senders::Sender;
pub(super) use self::streaming_call::{Progress, StreamingCall};
use super::link_calls::{LinkCalls, StreamCall, StreamRef};
use super::state::{EARLY_WRITE_BYTES, State};

/// Size of the bytes to write, in bytes, from which on items wait. Small, because answers and
/// messages wait behind them.
const MAX_QUEUED_ITEM_BYTES: usize = 256 << 10;

/// Cost of used-up items at which their credit is given back before further ones are taken: a
/// quarter of what this side takes, so that the peer seldom waits.
const CREDIT_BYTES: usize = 64 << 10;

/// Size of items, in bytes, from which on the task writes them, several with one write. Writing
/// each of them early takes a third more time if both processes share a core.
const LARGE_BATCH_BYTES: usize = 16 << 10;

impl StreamRef<'_> {
    fn sender(&self) -> Sender {
        match self {
            Self::Call(call) => Sender::Call(call.key),
            Self::Request(request) => Sender::Request(request.id.clone()),
        }
    }
}

impl<F: Framing> State<F> {
    /// Wakes whoever waits for streams that have something new.
    #[inline]
    pub(super) fn wake_streams(&mut self) {
        if self.connection.has_ready_streams() {
            self.wake_ready_streams();
        }
    }

    #[cold]
    fn wake_ready_streams(&mut self) {
        while let Some((role, id)) = self.connection.poll_stream() {
            match role {
                Role::Caller => {
                    let Some(key) = self.connection.token(&id).copied() else { continue };
                    if self.connection.has_items(&id) {
                        self.release_suspect(key);
                    }
                    self.woken.extend(self.waiters.take_waker(key));
                }
                _ => self.woken.extend(self.handler_streams.take_ready(&id)),
            }
        }
    }

    /// Wakes the senders of items that wait for space in the queue, if there is some.
    #[inline]
    pub(super) fn wake_item_senders(&mut self) {
        if self.handler_streams.has_stalled() && !self.is_item_queue_full() {
            self.wake_stalled();
        }
    }

    #[cold]
    fn wake_stalled(&mut self) {
        for sender in self.handler_streams.take_stalled() {
            let waker = match sender {
                Sender::Call(key) => self.waiters.take_waker(key),
                Sender::Request(id) => self.handler_streams.take_sender(&id),
            };
            self.woken.extend(waker);
        }
    }

    /// Returns `true` if senders of items wait for space in the queue.
    pub(super) fn is_item_queue_full(&self) -> bool {
        self.unwritten_bytes() >= MAX_QUEUED_ITEM_BYTES
    }

    /// Stores the end of a call with streams.
    #[cold]
    pub(super) fn complete_stream(&mut self, event: Event<usize>) {
        if let Event::StreamEnded { token, mut end } = event {
            end.result = end.result.map_err(Error::of_call);
            self.handler_streams.remove_stalled(token);
            let completed = self.waiters.complete_stream(token, end);
            self.completed(completed);
        }
    }

    /// Opens the streams of a request of the peer, whose handler gets its items.
    #[cold]
    pub(super) fn open_handler(&mut self, request: &mut Request, link: impl FnOnce() -> Arc<dyn LinkCalls>) {
        let Some(id) = request.id().cloned() else { return };
        let streams = self.handler_streams.open(id, link());
        if request.streams().from_caller {
            request.set_items(Items::new(RequestItems::new(Arc::clone(&streams), request.to_name())));
        }
        request.extensions_mut().insert(streams);
    }

    /// Closes the streams of a request of the peer, which was answered.
    #[inline]
    pub(super) fn close_handler(&mut self, id: &TxId) {
        if self.handler_streams.has_handlers() {
            self.woken.extend(self.handler_streams.close(id));
        }
    }

    /// Returns `true` if this call or request is in flight on this connection.
    pub(super) fn has_stream(&self, stream: StreamRef<'_>) -> bool {
        match stream {
            StreamRef::Call(call) => self.waiters.is_waiting(call.key),
            StreamRef::Request(request) => self.handler_streams.contains(request),
        }
    }

    pub(super) fn finish_items(&mut self, stream: StreamRef<'_>, cost: usize) {
        if cost > 0 {
            self.connection.finish_items(stream.role(), stream.id(), cost);
            // Sends the credit, if it is time for that.
            self.wake_task();
        }
    }

    /// Returns the cost of the items that may be sent, or 0 if the call has ended. If none may be,
    /// exchanges `waker` with the one that it replaces, to drop it after the mutex is released. A
    /// caller's waker is that of its waiter, which it has polled before.
    pub(super) fn poll_sending(
        &mut self,
        stream: StreamRef<'_>,
        waker: &mut Option<Waker>,
    ) -> Option<Poll<usize>> {
        if !self.has_stream(stream) {
            return None;
        }
        match (self.connection.sending(stream.role(), stream.id()), stream) {
            (Sending::Ended, _) => return Some(Poll::Ready(0)),
            (Sending::Ready, _) if !self.is_item_queue_full() && self.is_open() => {
                return Some(Poll::Ready(self.item_room(stream)));
            }
            (Sending::Ready, _) => self.handler_streams.stall(stream.sender()),
            (Sending::Waiting, _) => {}
        }
        if let StreamRef::Request(request) = stream {
            self.handler_streams.wait_to_send(&request.id, waker);
        }
        Some(Poll::Pending)
    }

    /// Sends items, for a sender on `runtime`. `None`: the stream is no longer here.
    pub(super) fn send_items(
        &mut self,
        stream: StreamRef<'_>,
        items: &mut Vec<Body>,
        at_once: bool,
        runtime: Option<Id>,
    ) -> Option<usize> {
        if !self.has_stream(stream) {
            return None;
        }
        if let StreamRef::Call(call) = stream {
            self.release_suspect(call.key);
        }
        let mut bytes = 0;
        for item in items.drain(..) {
            bytes += item.len();
            self.connection.send_item(stream.role(), stream.id(), item);
        }
        self.encode();
        if (at_once || bytes < LARGE_BATCH_BYTES) && self.is_home(runtime) {
            self.write_early(if at_once { 1 } else { EARLY_WRITE_BYTES });
        }
        self.wake_task();
        Some(self.item_room(stream))
    }

    /// Cost of the items that may be sent now.
    fn item_room(&self, stream: StreamRef<'_>) -> usize {
        let queue = MAX_QUEUED_ITEM_BYTES.saturating_sub(self.unwritten_bytes());
        self.connection.item_room(stream.role(), stream.id()).min(queue)
    }

    /// Handles that a call is not run again after a crash, because the first of its items was sent
    /// or has arrived. It may last for long, and other suspects may run beside it.
    fn release_suspect(&mut self, key: usize) {
        if self.has_suspect() && self.waiters.release_suspect(key) {
            self.suspect_ended();
        }
    }

    pub(super) fn end_items(&mut self, call: &StreamCall) -> Option<()> {
        self.has_stream(StreamRef::Call(call)).then(|| {
            self.connection.end_items(&call.id);
            self.wake_task();
        })
    }
}
