//! Functions for clients written by hand.
//!
//! `#[service]` generates a client whose methods each call [`send`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::{Codec, CodecError};
use isolated_workers_core::{Body, CallError, Error, Message, Request, Response};
use pin_project_lite::pin_project;

use super::encoding::{Part, decode_error, decode_reply, encode_into, unencodable};
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

impl<C, F, T> Future for SendFuture<'_, C, F, T>
where
    F: Future<Output = Result<Response, Error>>,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.call.project() {
            SendStateProj::Called { call } => ready!(call.poll(cx)),
            SendStateProj::Refused { error } => Err(error.take().expect("polled after completion")),
        };
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
