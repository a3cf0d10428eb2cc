//! Functions for clients written by hand.
//!
//! `#[service]` generates a client whose methods each call [`send`].

use std::future::ready;
use std::pin::Pin;
use std::task::{self, Context, Poll};

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{
    Body, CallError, Error, Items, Message, ReplyStream, Request, RequestStream, Response,
};
use pin_project_lite::pin_project;

use super::BoxFuture;
use super::encoding::{Part, decode_error, decode_reply, encode, encode_into, unencodable};
use super::large_value::{Encoded, LargeValue, encode_small_into};
use super::streaming::{DecodedReply, EncodedItems, IntoItems, StreamingReply};
use crate::Service;

/// Sends a message and waits for its reply.
///
/// This is [`ServiceExt::send`](crate::ServiceExt::send) with an error type that the caller
/// chooses. [`Error`] fits messages that have no error type.
///
/// The message is encoded immediately, and the request is sent when the future is first polled. If
/// more than 1 MiB was encoded, the message is encoded again on tokio's blocking thread pool, so
/// that it does not hold a thread of the runtime, and the request is sent when that is done. The
/// timeout of the call starts when the request is sent. Without a runtime, or if the message
/// [is not sendable](Message::into_sendable), it is encoded here, whatever its size.
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
///     client::send(service, Add { a, b }).await
/// }
/// ```
///
/// # Errors
/// Returns the conversion of [`CallError::Service`] if the handler returned an error, and of
/// [`CallError::Call`] for any other failure.
pub fn send<'a, S, M, E>(
    service: &'a S,
    message: M,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E>
where
    S: Service + ?Sized,
    M: Message,
    E: From<CallError<M::Error>>,
{
    send_request(service, Request::of::<M>(Body::empty()), message)
}

/// Like [`send`], with a request for the message that has no payload yet.
///
/// # Errors
/// Same as [`send`].
#[doc(hidden)]
#[inline]
pub fn send_request<'a, S, M, E>(
    service: &'a S,
    mut request: Request,
    message: M,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E>
where
    S: Service + ?Sized,
    M: Message,
    E: From<CallError<M::Error>>,
{
    let encoded = encode_message(service, &mut request, message);
    SendFuture {
        codec: service.codec(),
        call: call(service, request, encoded),
        decode: decode_result::<M, E, S::Codec>,
    }
}

/// Like [`send`], for a message that is sent several times. It is encoded here, whatever its size.
///
/// # Errors
/// Same as [`send`].
pub fn send_ref<'a, S, M, E>(
    service: &'a S,
    message: &M,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E>
where
    S: Service + ?Sized,
    M: Message,
    E: From<CallError<M::Error>>,
{
    let mut request = Request::of::<M>(Body::empty());
    let (codec, limit) = (service.codec(), service.body_limit());
    let encoded = encode_into(request.body_mut(), codec, limit, message)
        .map_err(|error| Unencoded::Refused(unencodable::<S::Codec>(error, Part::Message, M::NAME)));
    SendFuture { codec, call: call(service, request, encoded), decode: decode_result::<M, E, S::Codec> }
}

/// Sends a message and its items, and waits for its reply.
///
/// The items are taken from their stream as the callee takes them, while this future is polled. The
/// call ends with its reply, even if items are left. Dropping the future cancels the call.
///
/// # Errors
/// Same as [`send`]. An item that cannot be encoded ends the call, and so does an error of
/// [`try_items`](super::streaming::try_items).
pub fn send_items<'a, S, M, E, I>(
    service: &'a S,
    message: M,
    items: I,
) -> impl Future<Output = Result<M::Reply, E>> + Send + use<'a, S, M, E, I>
where
    S: Service + ?Sized,
    M: RequestStream,
    I: IntoItems<M::Item>,
    E: From<CallError<M::Error>>,
{
    let mut request = Request::of::<M>(Body::empty());
    let encoded = encode_message(service, &mut request, message);
    request.set_items(encoded_items::<S, M>(service, items));
    SendFuture {
        codec: service.codec(),
        call: call(service, request, encoded),
        decode: decode_result::<M, E, S::Codec>,
    }
}

/// Sends a message that is answered with a stream of items.
///
/// The message is encoded immediately, as with [`send`]. The request is sent when the stream is
/// first polled.
///
/// The stream yields the conversion of [`CallError::Service`] if the handler's stream ended with an
/// error, and of [`CallError::Call`] if the call failed. Either is its last element.
pub fn stream<'a, S, M, E>(service: &'a S, message: M) -> StreamingReply<'a, M::Item, E>
where
    S: Service + ?Sized,
    M: ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    streaming_reply::<S, M, E>(service, message, None)
}

/// Sends a message and its items, for a message that is answered with a stream of items. The items
/// of both directions are independent of each other.
///
/// The items are taken from their stream while the returned stream is polled. Otherwise the same as
/// [`stream`].
pub fn stream_items<'a, S, M, E>(
    service: &'a S,
    message: M,
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
    message: M,
    items: Option<Items>,
) -> StreamingReply<'a, M::Item, E>
where
    S: Service + ?Sized,
    M: ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    let mut request = Request::of::<M>(Body::empty());
    request.set_takes_items(true);
    let encoded = encode_message(service, &mut request, message);
    if let Some(items) = items {
        request.set_items(items);
    }
    let call = call(service, request, encoded);
    StreamingReply::new(DecodedReply::<_, S::Codec, M, E>::new(service.codec(), call))
}

fn encoded_items<S, M>(service: &S, items: impl IntoItems<M::Item>) -> Items
where
    S: Service + ?Sized,
    M: RequestStream,
{
    let (codec, limit) = (service.codec().clone(), service.body_limit());
    let items = items.into_items(M::NAME);
    Items::new(EncodedItems::new(items, codec, limit, M::NAME, |_: &S::Codec, error: Error| {
        Encoded::Done(Err(error))
    }))
}

pin_project! {
    /// Future of [`send`]. An async block would hold the call twice, and a caller may have very
    /// many of these. Messages with results of the same type share it.
    struct SendFuture<'a, C, F, T> {
        codec: &'a C,
        #[pin]
        call: SendState<'a, F>,
        decode: fn(&C, Result<Response, Error>) -> T,
    }
}

pin_project! {
    #[project = SendStateProj]
    enum SendState<'a, F> {
        Called {
            #[pin]
            call: F,
        },
        // Boxed, so that most calls take no memory for what is rare.
        Unencoded { call: BoxFuture<'a> },
    }
}

/// Reason for which a request has no payload yet.
enum Unencoded {
    /// The message is large, and encoded elsewhere.
    Large(Box<LargeValue<Body>>),
    Refused(Error),
}

/// Encodes a message into its request, so that the payload is not moved afterwards.
#[inline]
fn encode_message<S, M>(service: &S, request: &mut Request, message: M) -> Result<(), Unencoded>
where
    S: Service + ?Sized,
    M: Message,
{
    let (codec, limit) = (service.codec(), service.body_limit());
    match encode_small_into(request.body_mut(), codec, limit, &message) {
        Ok(()) => Ok(()),
        Err(error) if error.is_interruption() => encode_large_message(codec, limit, request, message),
        Err(error) => Err(Unencoded::Refused(unencodable::<S::Codec>(error, Part::Message, M::NAME))),
    }
}

#[cold]
fn encode_large_message<C: Codec, M: Message>(
    codec: &C,
    limit: BodyLimit,
    request: &mut Request,
    message: M,
) -> Result<(), Unencoded> {
    let encoded = match message.into_sendable() {
        Ok(message) => {
            let codec = codec.clone();
            Encoded::elsewhere(Part::Message, M::NAME, move || {
                encode(&codec, limit, &message(), Part::Message, M::NAME)
            })
        }
        Err(message) => Encoded::Done(encode(codec, limit, &message, Part::Message, M::NAME)),
    };
    match encoded {
        Encoded::Done(Ok(body)) => {
            request.set_body(body);
            Ok(())
        }
        Encoded::Done(Err(error)) => Err(Unencoded::Refused(error)),
        Encoded::Later(body) => Err(Unencoded::Large(body)),
    }
}

/// Calls `service` once the message is encoded.
#[inline]
fn call<'a, S: Service + ?Sized>(
    service: &'a S,
    request: Request,
    encoded: Result<(), Unencoded>,
) -> SendState<'a, impl Future<Output = Result<Response, Error>> + Send + use<'a, S>> {
    match encoded {
        Ok(()) => SendState::Called { call: service.call(request) },
        Err(unencoded) => SendState::Unencoded { call: call_unencoded(service, request, unencoded) },
    }
}

#[cold]
fn call_unencoded<S: Service + ?Sized>(
    service: &S,
    mut request: Request,
    unencoded: Unencoded,
) -> BoxFuture<'_> {
    match unencoded {
        Unencoded::Large(body) => Box::pin(async move {
            request.set_body(body.await?);
            service.call(request).await
        }),
        Unencoded::Refused(error) => Box::pin(ready(Err(error))),
    }
}

impl<F: Future<Output = Result<Response, Error>>> Future for SendState<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SendStateProj::Called { call } => call.poll(cx),
            SendStateProj::Unencoded { call } => call.as_mut().poll(cx),
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
        let result = task::ready!(this.call.poll(cx));
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
