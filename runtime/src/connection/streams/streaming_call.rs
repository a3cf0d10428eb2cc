use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::{Body, Error, ErrorKind, Executed, Items, Request, Response, TxId};
use tokio::runtime::Id;

use super::super::call::OwnDeadline;
use super::super::link_calls::{CallPoll, LinkCalls, StreamCall, StreamRef};
use super::super::state::current_runtime;
use super::{CREDIT_BYTES, ItemSender};

/// Call of this side with streams, in flight. Dropping it cancels the call.
pub(in super::super) struct StreamingCall {
    link: Arc<dyn LinkCalls>,
    /// `None` after the call has ended.
    call: Option<StreamCall>,
    /// Items of the caller that were not sent.
    sender: Option<ItemSender>,
    deadline: Option<Box<OwnDeadline>>,
    /// Runtime on which the call was polled last.
    runtime: Option<Id>,
    /// Items of the callee that were not taken from here.
    items: VecDeque<Body>,
    /// Cost of the items that were taken, and for which no credit was given back.
    finished: usize,
}

/// Progress of a call with streams.
pub(in super::super) enum Progress {
    /// Items of the callee have arrived.
    Items,
    /// The call has ended. Items may have arrived before.
    Ended(Result<Response, Error>),
    /// The request was not sent, and none of its items was taken.
    Unsent(Request),
}

impl StreamingCall {
    /// `key`: key of the waiter. `items`: items of the caller.
    pub(in super::super) fn new(
        link: Arc<dyn LinkCalls>,
        key: usize,
        id: TxId,
        items: Option<Items>,
        deadline: Option<Box<OwnDeadline>>,
    ) -> Self {
        Self {
            link,
            call: Some(StreamCall { key, id }),
            sender: items.map(ItemSender::new),
            deadline,
            runtime: current_runtime(),
            items: VecDeque::new(),
            finished: 0,
        }
    }

    /// Waits until items of the callee have arrived, or until the call has ended. Sends the items
    /// of the caller meanwhile.
    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        loop {
            let call = self.call.as_ref().expect("a call was polled after it had ended");
            // Registers the waker before the sender looks for credit.
            match self.link.poll_call(call, self.finished, &mut self.items, cx) {
                // Credit for what is finished was given back, unless the call has moved.
                CallPoll::Pending => self.finished = 0,
                CallPoll::Ended(result) => {
                    self.call = None;
                    return Poll::Ready(Progress::Ended(result));
                }
                CallPoll::Unsent(request) => {
                    self.call = None;
                    return Poll::Ready(self.unsent(request));
                }
                CallPoll::Moved(link) => {
                    self.link = link;
                    continue;
                }
            }
            if let Some(sender) = &mut self.sender {
                match sender.poll_call(&*self.link, call, cx) {
                    Poll::Ready(Ok(())) => self.sender = None,
                    Poll::Ready(Err(error)) => {
                        self.cancel();
                        return Poll::Ready(Progress::Ended(Err(error)));
                    }
                    Poll::Pending => {}
                }
            }
            if !self.items.is_empty() {
                return Poll::Ready(Progress::Items);
            }
            let runtime = current_runtime();
            if std::mem::replace(&mut self.runtime, runtime) != runtime {
                OwnDeadline::watch_moved(&mut self.deadline, &*self.link, &call.id);
            }
            if !self.deadline.as_mut().is_some_and(|deadline| deadline.poll(&*self.link, cx)) {
                return Poll::Pending;
            }
        }
    }

    /// Returns the request with its items, so that it can be sent again.
    fn unsent(&mut self, mut request: Request) -> Progress {
        if !request.streams().from_caller {
            return Progress::Unsent(request);
        }
        // Without a sender, all items were taken.
        match self.sender.take().and_then(ItemSender::into_unsent) {
            Some(items) => {
                request.set_items(items);
                Progress::Unsent(request)
            }
            None => Progress::Ended(Err(lost_items(request.name()))),
        }
    }

    fn cancel(&mut self) {
        if let Some(StreamCall { key, id }) = self.call.take() {
            self.link.abandon(key, &id);
        }
    }

    /// Converts the call to the response that streams its items.
    pub(in super::super) fn into_response(self) -> Response {
        Response::with_items(Items::new(ReplyItems { call: self, taken: 0, end: None }))
    }

    /// Converts the call, which has ended, to its result. If items have arrived, they come first.
    pub(in super::super) fn into_result(self, result: Result<Response, Error>) -> Result<Response, Error> {
        if self.items.is_empty() {
            return result;
        }
        let end = Some(result.map(drop));
        Ok(Response::with_items(Items::new(ReplyItems { call: self, taken: 0, end })))
    }

    /// Takes the next item that has arrived.
    fn take(&mut self) -> Option<Body> {
        let item = self.items.pop_front()?;
        self.finished += Admission::item_cost(&item);
        if self.finished >= CREDIT_BYTES
            && let Some(call) = &self.call
            && self.link.finish_items(StreamRef::Call(call), self.finished).is_some()
        {
            self.finished = 0;
        }
        Some(item)
    }
}

impl Drop for StreamingCall {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Items of the callee, at the caller.
struct ReplyItems {
    call: StreamingCall,
    /// Number of items taken.
    taken: u64,
    /// Result of the call, once all items have arrived.
    end: Option<Result<(), Error>>,
}

impl Stream for ReplyItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.call.take() {
                this.taken += 1;
                return Poll::Ready(Some(Ok(item)));
            }
            match this.end.take() {
                Some(Ok(())) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.after_items(this.taken)))),
                None => {}
            }
            match ready!(this.call.poll(cx)) {
                Progress::Items => {}
                Progress::Ended(result) => this.end = Some(result.map(drop)),
                Progress::Unsent(_) => unreachable!("the callee has sent items"),
            }
        }
    }
}

#[cold]
fn lost_items(name: &str) -> Error {
    let text = format!(
        "could not call `{name}`: its worker ended before the request was sent, and items of the call were taken \
         from their stream already; make the call again with new items"
    );
    Error::new(ErrorKind::Crashed, text).with_executed(Executed::No).of_call()
}
