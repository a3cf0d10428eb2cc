use std::future::ready;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_core::Stream;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Body, Error, ErrorKind, Items, ReplyStream, Request, RequestStream, Response};
use tokio_util::sync::DropGuard;

use super::{EncodedItems, Streaming};
use crate::Context;
use crate::service::answer::Answer;
use crate::service::encoding::{SKEW_ADVICE, decode, decode_item};
use crate::service::large_value::encode_owned_error;

/// Takes the items of the caller, for the message `M`. Call it before the request is passed on.
pub fn streaming<M: RequestStream, C: Codec>(codec: &C, request: &Request) -> Streaming<M::Item> {
    let items = request.take_items().unwrap_or_else(|| Items::failed(without_items(request.name())));
    Streaming::new(DecodedItems { items, codec: codec.clone(), message: PhantomData::<fn() -> M> })
}

/// Decodes the message, calls `run` with it, and answers with the items of the stream that it
/// returns. The first error ends the stream.
///
/// # Errors
/// `Decode` if the payload is not an `M`, `TooLarge` if it exceeds its budget. The items fail with
/// `Encode` if one cannot be encoded, and with `Remote` if the stream has ended with an error.
pub fn respond_stream<'a, M, C, F, S>(codec: &'a C, request: Request, run: F) -> Answer<'a>
where
    M: ReplyStream,
    C: Codec,
    F: FnOnce(M) -> S,
    S: Stream<Item = Result<M::Item, M::Error>> + Send + 'static,
{
    match decode(codec, &request) {
        Ok(message) => {
            drop(request);
            Answer::new(ready(Ok(Response::with_items(reply_items::<M, C, S>(codec, run(message))))))
        }
        Err(error) => Answer::failed(error),
    }
}

/// Like [`respond_stream`], but `run` also receives a [`Context`]. Its token is cancelled if the
/// stream is dropped before its end.
///
/// # Errors
/// Same as [`respond_stream`].
pub fn respond_stream_in_context<'a, M, C, F, S>(codec: &'a C, request: Request, run: F) -> Answer<'a>
where
    M: ReplyStream,
    C: Codec,
    F: FnOnce(Context, M) -> S,
    S: Stream<Item = Result<M::Item, M::Error>> + Send + 'static,
{
    let message = match decode(codec, &request) {
        Ok(message) => message,
        Err(error) => return Answer::failed(error),
    };
    let context = Context::of(request);
    let cancel_on_drop = Some(context.cancelled().clone().drop_guard());
    let end_callbacks = context.end_callbacks_on_drop();
    let items = reply_items::<M, C, S>(codec, run(context, message));
    let items = Items::new(ItemsInContext { items, cancel_on_drop, _end_callbacks: end_callbacks });
    Answer::new(ready(Ok(Response::with_items(items))))
}

/// Encodes the items of a handler of the message `M`.
fn reply_items<M, C, S>(codec: &C, items: S) -> Items
where
    M: ReplyStream,
    C: Codec,
    S: Stream<Item = Result<M::Item, M::Error>> + Send + 'static,
{
    let fail = |codec: &C, failure: M::Error| encode_owned_error(codec, failure, M::NAME);
    Items::new(EncodedItems::new(items, codec.clone(), BodyLimit::NONE, M::NAME, fail))
}

/// Items of a handler, whose [`Context`] lives as long as they do.
struct ItemsInContext {
    items: Items,
    cancel_on_drop: Option<DropGuard>,
    _end_callbacks: Option<DropGuard>,
}

impl Stream for ItemsInContext {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.items).poll_next(cx);
        if let Poll::Ready(None | Some(Err(_))) = next
            && let Some(guard) = self.cancel_on_drop.take()
        {
            guard.disarm();
        }
        next
    }
}

/// Items of a caller, which are decoded.
struct DecodedItems<C, M> {
    items: Items,
    codec: C,
    message: PhantomData<M>,
}

impl<C: Unpin, M> Unpin for DecodedItems<C, M> {}

impl<M: RequestStream, C: Codec> Stream for DecodedItems<C, fn() -> M> {
    type Item = Result<M::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.items).poll_next(cx);
        next.map(|item| Some(item?.and_then(|item| decode_item(&self.codec, &item, M::NAME))))
    }
}

#[cold]
fn without_items(name: &str) -> Error {
    let text = format!("could not receive the items of `{name}`: its caller sends none{SKEW_ADVICE}");
    Error::new(ErrorKind::Decode, text)
}
