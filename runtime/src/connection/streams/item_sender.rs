use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use isolated_workers_core::{Body, Error, Items};

use super::super::link_calls::{LinkCalls, StreamCall, StreamRef, StreamRequest};

/// Number of items after which the sender lets other tasks run.
const MAX_ITEMS_PER_POLL: usize = 128;

/// Sends the items of a stream as the peer takes them. No item is taken from the stream before it
/// may be sent.
pub(crate) struct ItemSender {
    items: Items,
    /// `true` once the stream was polled with success: an item of it was taken, or its end.
    has_begun: bool,
    /// `true` if the last item said that another one may follow at once.
    may_send: bool,
}

impl ItemSender {
    pub(crate) fn new(items: Items) -> Self {
        Self { items, has_begun: false, may_send: false }
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
        for _ in 0..MAX_ITEMS_PER_POLL {
            if !self.may_send {
                let polled = request.on_link(|link| link.poll_sending(stream, cx));
                if !ready!(polled.unwrap_or(Poll::Ready(false))) {
                    return Poll::Ready(Ok(()));
                }
            }
            let Some(item) = ready!(self.poll_item(cx)?) else { return Poll::Ready(Ok(())) };
            let mut item = Some(item);
            let sent = request.on_link(|link| match link.send_item(stream, item.take()?) {
                Ok(may_send) => Some(may_send),
                Err(unsent) => {
                    item = Some(unsent);
                    None
                }
            });
            self.may_send = sent == Some(true);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends the items of a call of this side, and their end. `Ready`: that is done, the call has
    /// ended, or the stream has failed.
    pub(super) fn poll_call(
        &mut self,
        link: &dyn LinkCalls,
        call: &StreamCall,
        unsent: &mut Option<Body>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let stream = StreamRef::Call(call);
        for _ in 0..MAX_ITEMS_PER_POLL {
            if !self.may_send {
                match link.poll_sending(stream, cx) {
                    Some(sending) => {
                        if !ready!(sending) {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    // The call has ended or moved, which the next poll finds.
                    None => break,
                }
            }
            let item = match unsent.take() {
                Some(item) => Some(item),
                None => ready!(self.poll_item(cx)?),
            };
            let Some(item) = item else {
                match link.end_items(call) {
                    Some(()) => return Poll::Ready(Ok(())),
                    None => break,
                }
            };
            match link.send_item(stream, item) {
                Ok(may_send) => self.may_send = may_send,
                Err(item) => {
                    self.may_send = false;
                    *unsent = Some(item);
                    break;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Body>, Error>> {
        let item = ready!(Pin::new(&mut self.items).poll_next(cx));
        self.has_begun = true;
        Poll::Ready(item.transpose())
    }
}
