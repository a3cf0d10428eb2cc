use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::{Body, Error, Items};
use tokio::task::yield_now;

use super::super::link_calls::{LinkCalls, StreamCall, StreamRef, StreamRequest};
use super::coarse_time::CoarseTime;

/// Number of items that are sent together, under one lock, if the stream has them at once.
const MAX_BATCH: usize = 16;

/// Size in bytes of items that are sent without waiting for further ones, so that the peer handles
/// them meanwhile.
const MAX_BATCH_BYTES: usize = 4 << 10;

/// Number of batches after which the sender lets other tasks run.
const MAX_BATCHES: usize = 8;

/// Sends the items of a stream as the peer takes them. No item is taken from the stream before it
/// may be sent.
pub(crate) struct ItemSender {
    items: Items,
    /// Items that were taken from the stream. They stay here only while the connection is handed
    /// over.
    batch: Vec<Body>,
    /// Cost of the items that may be taken from the stream. The last one may exceed it.
    room: usize,
    /// End of the stream, until the batch is sent.
    end: Option<Result<(), Error>>,
    /// `true` if the last item took its stream so long that it is sent at once, and the other tasks
    /// of the runtime then get their turn.
    is_slow: bool,
    /// `true` once the stream was polled with success: an item of it was taken, or its end.
    has_begun: bool,
}

impl ItemSender {
    pub(crate) fn new(items: Items) -> Self {
        Self { items, batch: Vec::new(), room: 0, end: None, is_slow: false, has_begun: false }
    }

    /// Returns the items, to send them with another request. `None` if one was taken.
    pub(super) fn into_unsent(self) -> Option<Items> {
        (!self.has_begun).then_some(self.items)
    }

    /// Sends the items of the handler of `request`. `Ready`: all of them are sent, the call has
    /// ended, or the stream has failed.
    pub(crate) fn poll_request(
        &mut self,
        request: &Arc<StreamRequest>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let stream = StreamRef::Request(request);
        for _ in 0..MAX_BATCHES {
            if self.room == 0 {
                let room = request.on_link(|link| link.poll_sending(stream, cx));
                self.room = ready!(room.unwrap_or(Poll::Ready(0)));
                if self.room == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            let taken = self.poll_batch(cx);
            if !self.batch.is_empty() {
                let room = request.on_link(|link| link.send_items(stream, &mut self.batch, self.is_slow));
                // Without the call, nobody wants the items.
                self.batch.clear();
                self.room = room.unwrap_or(0);
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(end);
            }
            ready!(taken);
            if self.is_slow {
                break;
            }
        }
        yield_to_others(cx)
    }

    /// Sends the items of a call of this side, and their end. `Ready`: that is done, the call has
    /// ended, or the stream has failed.
    pub(super) fn poll_call(
        &mut self,
        link: &dyn LinkCalls,
        call: &StreamCall,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let stream = StreamRef::Call(call);
        for _ in 0..MAX_BATCHES {
            if self.room == 0 {
                // `None`: the call has ended or moved, which the next poll finds.
                let Some(room) = link.poll_sending(stream, cx) else { break };
                self.room = ready!(room);
                if self.room == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            let taken = self.poll_batch(cx);
            if !self.batch.is_empty() {
                let room = link.send_items(stream, &mut self.batch, self.is_slow);
                self.room = room.unwrap_or(0);
                if room.is_none() {
                    break;
                }
            }
            match self.end.take() {
                None => ready!(taken),
                Some(Ok(())) if link.end_items(call).is_none() => {
                    (self.end, self.room) = (Some(Ok(())), 0);
                    break;
                }
                Some(end) => return Poll::Ready(end),
            }
            if self.is_slow {
                break;
            }
        }
        yield_to_others(cx)
    }

    /// Takes items from the stream until the batch is full, there is no room for further ones, or an
    /// item has taken long. `Pending`: the stream has no further item now.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let before = CoarseTime::now();
        self.is_slow = false;
        let mut bytes: usize = self.batch.iter().map(Body::len).sum();
        while self.end.is_none()
            && self.room > 0
            && self.batch.len() < MAX_BATCH
            && bytes < MAX_BATCH_BYTES
            && !self.is_slow
        {
            let item = ready!(Pin::new(&mut self.items).poll_next(cx));
            self.has_begun = true;
            match item {
                Some(Ok(item)) => {
                    bytes += item.len();
                    self.room = self.room.saturating_sub(Admission::item_cost(&item));
                    self.batch.push(item);
                    self.is_slow = before.has_passed();
                }
                Some(Err(error)) => self.end = Some(Err(error)),
                None => self.end = Some(Ok(())),
            }
        }
        Poll::Ready(())
    }
}

/// Continues after the other tasks of the runtime, and after the future of its `block_on`. A task
/// that wakes itself at once runs up to 61 times before that.
fn yield_to_others<T>(cx: &mut Context<'_>) -> Poll<T> {
    let _ = pin!(yield_now()).poll(cx);
    Poll::Pending
}
