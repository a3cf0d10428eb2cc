//! Functions for clients written by hand.
//!
//! `#[service]` generates a client whose methods each call [`send`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::{Codec, CodecError};
use isolated_workers_core::{
    Body, CallError, Error, Items, Message, ReplyStream, Request, RequestStream, Response,
};
use pin_project_lite::pin_project;

use super::encoding::{Part, decode_error, decode_reply, encode_into, unencodable};
use super::streaming::{DecodedReply, EncodedItems, IntoItems, StreamingReply};
use crate::Service;

/// Sends a message and waits for its reply.
///
/// This is [`ServiceExt::send`](crate::ServiceExt::send) with an error type that the caller
/// chooses. [`Error`] fits messages that have no error type.
///
/// The message is encoded immediately, so the future does not borrow it. The request is sent when
/// the future is first polled.
///
/// ```
/// use isolated_workers_core::Error;
/// use isolated_workers_middleware::{Service, client};
/// # use isolated_workers_core::Message;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Message for Add {
/// #     type Reply = i64;
/// #     type Error = isolated_workers_core::Never;
/// #     const NAME: &'static str = "add";
/// # }
///
/// async fn add<S: Service>(service: &S, a: i64, b: i64) -> Result<i64, Error> {
///     client::send(service, &Add { a, b }).await
/// }
/// ```
///
/// # Errors
/// Returns the conversion of [`CallError::Service`] if the handler returned an error, and of
/// [`CallError::Call`] for any other failure.
pub fn send<'a, S, M, E>(
    service: &'a S,
    message: &M,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E>
where
    S: Service + ?Sized,
    M: Message,
    E: From<CallError<M::Error>>,
{
    // Encode into the request itself, so that the payload is not moved afterwards.
    let mut request = Request::of::<M>(Body::empty());
    let encoded = encode_into(request.body_mut(), service.codec(), service.body_limit(), message);
    SendFuture {
        codec: service.codec(),
        call: call(service, request, encoded, M::NAME),
        decode: decode_result::<M, E, S::Codec>,
    }
}

/// Sends a message and its items, and waits for its reply.
///
/// The items are taken from their stream as the callee takes them, while this future is polled. The call
/// ends with its reply, even if items are left. Dropping the future cancels the call.
///
/// # Errors
/// Same as [`send`]. An item that cannot be encoded ends the call, and so does an error of
/// [`try_items`](super::streaming::try_items).
pub fn send_items<'a, S, M, E, I>(
    service: &'a S,
    message: &M,
    items: I,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E, I>
where
    S: Service + ?Sized,
    M: RequestStream,
    I: IntoItems<M::Item>,
    E: From<CallError<M::Error>>,
{
    let mut request = Request::of::<M>(Body::empty());
    let encoded = encode_into(request.body_mut(), service.codec(), service.body_limit(), message);
    request.set_items(encoded_items::<S, M>(service, items));
    SendFuture {
        codec: service.codec(),
        call: call(service, request, encoded, M::NAME),
        decode: decode_result::<M, E, S::Codec>,
    }
}

/// Sends a message that is answered with a stream of items.
///
/// The message is encoded immediately. The request is sent when the stream is first polled.
///
/// The stream yields the conversion of [`CallError::Service`] if the handler's stream ended with an error,
/// and of [`CallError::Call`] if the call failed. Either is its last element.
pub fn stream<'a, S, M, E>(service: &'a S, message: &M) -> StreamingReply<'a, M::Item, E>
where
    S: Service + ?Sized,
    M: ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    streaming_reply::<S, M, E>(service, message, None)
}

/// Sends a message and its items, for a message that is answered with a stream of items. The items of
/// both directions are independent of each other.
///
/// The items are taken from their stream while the returned stream is polled. Otherwise the same as
/// [`stream`].
pub fn stream_items<'a, S, M, E>(
    service: &'a S,
    message: &M,
    items: impl IntoItems<<M as RequestStream>::Item>,
) -> StreamingReply<'a, <M as ReplyStream>::Item, E>
where
    S: Service + ?Sized,
    M: RequestStream + ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    streaming_reply::<S, M, E>(service, message, Some(encoded_items::<S, M>(service, items)))
}

fn streaming_reply<'a, S, M, E>(
    service: &'a S,
    message: &M,
    items: Option<Items>,
) -> StreamingReply<'a, M::Item, E>
where
    S: Service + ?Sized,
    M: ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    let mut request = Request::of::<M>(Body::empty());
    request.set_takes_items(true);
    let encoded = encode_into(request.body_mut(), service.codec(), service.body_limit(), message);
    if let Some(items) = items {
        request.set_items(items);
    }
    let call = call(service, request, encoded, M::NAME);
    StreamingReply::new(DecodedReply::<_, S::Codec, M, E>::new(service.codec(), call))
}

fn encoded_items<S, M>(service: &S, items: impl IntoItems<M::Item>) -> Items
where
    S: Service + ?Sized,
    M: RequestStream,
{
    let (codec, limit) = (service.codec().clone(), service.body_limit());
    let items = items.into_items(M::NAME);
    Items::new(EncodedItems::new(items, codec, limit, M::NAME, |_: &S::Codec, error: Error| error))
}

pin_project! {
    /// Future of [`send`]. An async block would hold the call twice, and a caller may have very
    /// many of these. Messages with results of the same type share it.
    struct SendFuture<'a, C, F, T> {
        codec: &'a C,
        #[pin]
        call: SendState<F>,
        decode: fn(&C, Result<Response, Error>) -> T,
    }
}

pin_project! {
    #[project = SendStateProj]
    enum SendState<F> {
        Called {
            #[pin]
            call: F,
        },
        /// The message could not be encoded. `None` after the error was returned.
        Refused { error: Option<Error> },
    }
}

/// Calls `service` if the message `name` could be encoded.
#[inline]
fn call<'a, S: Service + ?Sized>(
    service: &'a S,
    request: Request,
    encoded: Result<(), CodecError>,
    name: &str,
) -> SendState<impl Future<Output = Result<Response, Error>> + Send + use<'a, S>> {
    match encoded {
        Ok(()) => SendState::Called { call: service.call(request) },
        Err(error) => SendState::Refused { error: Some(unencodable::<S::Codec>(error, Part::Message, name)) },
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for SendState<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SendStateProj::Called { call } => call.poll(cx),
            SendStateProj::Refused { error } => {
                Poll::Ready(Err(error.take().expect("polled after completion")))
            }
        }
    }
}

impl<C, F, T> Future for SendFuture<'_, C, F, T>
where
    F: Future<Output = Result<Response, Error>>,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.call.poll(cx));
        Poll::Ready((this.decode)(this.codec, result))
    }
}

/// Decodes the result of a call with the message `M`.
fn decode_result<M, E, C>(codec: &C, result: Result<Response, Error>) -> Result<M::Reply, E>
where
    M: Message,
    E: From<CallError<M::Error>>,
    C: Codec,
{
    match result {
        Ok(response) => match decode_reply(codec, &response, M::NAME) {
            Ok(reply) => Ok(reply),
            Err(error) => Err(CallError::Call(error).into()),
        },
        Err(error) => Err(decode_error(codec, error, M::NAME).into()),
    }
}
