use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use isolated_workers_core::protocol::{Admission, Receiving};
use isolated_workers_core::{Body, Error, ErrorKind, Name};

use super::super::link_calls::{StreamRef, StreamRequest};
use super::CREDIT_BYTES;

/// Items that a caller sends, for the handler of its request.
pub(crate) struct RequestItems {
    request: Arc<StreamRequest>,
    /// Name of the message.
    name: Name,
    items: VecDeque<Body>,
    /// Cost of the items that were taken from here, and for which no credit was given back.
    finished: usize,
    receiving: Receiving,
}

impl RequestItems {
    pub(crate) fn new(request: Arc<StreamRequest>, name: Name) -> Self {
        Self { request, name, items: VecDeque::new(), finished: 0, receiving: Receiving::Open }
    }

    fn take(&mut self) -> Option<Body> {
        let item = self.items.pop_front()?;
        self.finished += Admission::item_cost(&item);
        if self.finished >= CREDIT_BYTES && self.receiving == Receiving::Open {
            let (stream, cost) = (StreamRef::Request(&self.request), std::mem::take(&mut self.finished));
            self.request.on_link(|link| link.finish_items(stream, cost));
        }
        Some(item)
    }
}

impl Stream for RequestItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.take() {
                return Poll::Ready(Some(Ok(item)));
            }
            match this.receiving {
                Receiving::Open => {
                    let finished = std::mem::take(&mut this.finished);
                    let Self { request, items, .. } = this;
                    let polled = request.on_link(|link| link.poll_request(request, finished, items, cx));
                    this.receiving = ready!(polled.unwrap_or(Poll::Ready(Receiving::Closed)));
                }
                Receiving::Ended => return Poll::Ready(None),
                Receiving::Closed => return Poll::Ready(Some(Err(lost(this.name.as_str())))),
            }
        }
    }
}

#[cold]
fn lost(name: &str) -> Error {
    let cause = "its call has ended, was cancelled, or its connection was lost";
    let text = format!("could not receive the next item of `{name}`: {cause}");
    Error::new(ErrorKind::Cancelled, text)
}
