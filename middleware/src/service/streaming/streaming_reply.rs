use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use isolated_workers_codec::Codec;
use isolated_workers_core::{CallError, Error, ErrorKind, Items, ReplyStream, Response, ResultStream};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::next;
use crate::service::encoding::{decode_error, decode_item, decode_reply};

/// Items with which a callee answers a call.
///
/// The call starts at the first poll. It ends with the last item, or with an error, which is the
/// last element. After that, the stream yields `None` forever. Dropping the stream before cancels
/// the call.
///
/// Items wait in this process until they are taken, at most 256 KiB and one more. Then the callee
/// waits. [`next`](Self::next) is cancel-safe.
#[must_use = "the call starts when the stream is polled"]
pub struct StreamingReply<'a, T, E = Error>(ResultStream<'a, T, E>);

impl<'a, T, E> StreamingReply<'a, T, E> {
    pub(crate) fn new(items: impl Stream<Item = Result<T, E>> + Send + 'a) -> Self {
        Self(ResultStream::new(items))
    }

    /// Waits for the next item. Returns `None` after the last one, and after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        next(self).await
    }
}

impl<T, E> Stream for StreamingReply<'_, T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl<T, E> FusedStream for StreamingReply<'_, T, E> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<T, E> fmt::Debug for StreamingReply<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingReply").field("has_ended", &self.is_terminated()).finish()
    }
}

pin_project! {
    /// Call that is answered with items, which are decoded.
    pub(in super::super) struct DecodedReply<'a, F, C, M, E> {
        codec: &'a C,
        #[pin]
        state: ReplyState<F>,
        // Number of items so far.
        count: u64,
        // Set while the caller waits for an item after the first one.
        sleep: Option<Pin<Box<Sleep>>>,
        message: PhantomData<fn() -> (M, E)>,
    }
}

pin_project! {
    #[project = ReplyStateProj]
    enum ReplyState<F> {
        // The call was not answered.
        Calling {
            #[pin]
            call: F,
        },
        Items { items: Items },
    }
}

impl<'a, F, C, M, E> DecodedReply<'a, F, C, M, E> {
    pub(in super::super) fn new(codec: &'a C, call: F) -> Self {
        Self { codec, state: ReplyState::Calling { call }, count: 0, sleep: None, message: PhantomData }
    }
}

impl<F, C, M, E> Stream for DecodedReply<'_, F, C, M, E>
where
    F: Future<Output = Result<Response, Error>>,
    C: Codec,
    M: ReplyStream,
    E: From<CallError<M::Error>>,
{
    type Item = Result<M::Item, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.as_mut().poll_item(cx);
        let Some(idle) = M::IDLE else { return next };
        let this = self.project();
        if next.is_ready() {
            *this.sleep = None;
            return next;
        }
        if *this.count == 0 {
            // The call may still wait for a worker. Its own timeout covers that.
            return Poll::Pending;
        }
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(CallError::Call(was_idle(M::NAME, idle, *this.count)).into())))
    }
}

impl<F, C, M, E> DecodedReply<'_, F, C, M, E>
where
    F: Future<Output = Result<Response, Error>>,
    C: Codec,
    M: ReplyStream,
    E: From<CallError<M::Error>>,
{
    fn poll_item(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<M::Item, E>>> {
        let mut this = self.project();
        let failed = |error| Some(Err(decode_error(*this.codec, error, M::NAME).into()));
        loop {
            match this.state.as_mut().project() {
                ReplyStateProj::Calling { call } => match ready!(call.poll(cx)) {
                    Ok(mut response) => match response.take_items() {
                        Some(items) => this.state.set(ReplyState::Items { items }),
                        // The stream had no items.
                        None => {
                            let end = decode_reply::<(), C>(*this.codec, &response, M::NAME);
                            return Poll::Ready(end.err().map(|error| Err(CallError::Call(error).into())));
                        }
                    },
                    Err(error) => return Poll::Ready(failed(error)),
                },
                ReplyStateProj::Items { items } => {
                    return Poll::Ready(match ready!(Pin::new(items).poll_next(cx)) {
                        None => None,
                        Some(Ok(item)) => {
                            *this.count += 1;
                            let item = decode_item(*this.codec, &item, M::NAME);
                            Some(item.map_err(|error| CallError::Call(error).into()))
                        }
                        // A layer may have replaced the error of the call.
                        Some(Err(error)) if *this.count > 0 => failed(error.after_items(*this.count)),
                        Some(Err(error)) => failed(error),
                    });
                }
            }
        }
    }
}

#[cold]
fn was_idle(name: &str, idle: Duration, count: u64) -> Error {
    let remedy = "raise `idle` of the message, or remove it for no limit";
    let text =
        format!("could not receive the next item of `{name}`: it did not arrive within {idle:?}; {remedy}");
    Error::new(ErrorKind::Timeout, text).after_items(count)
}
