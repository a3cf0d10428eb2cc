//! Functions for clients written by hand.
//!
//! `#[service]` generates a client whose methods each call [`send`].

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::Codec;
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
    let call = match encode_into(request.body_mut(), service.codec(), service.body_limit(), message) {
        Ok(()) => SendState::Called { call: service.call(request) },
        Err(error) => {
            SendState::Refused { error: Some(unencodable::<S::Codec>(error, Part::Message, M::NAME)) }
        }
    };
    SendFuture { codec: service.codec(), call, output: PhantomData::<fn() -> (M, E)> }
}

pin_project! {
    /// Future of [`send`]. An async block would hold the call twice, and a caller may have very
    /// many of these.
    struct SendFuture<'a, C, F, O> {
        codec: &'a C,
        #[pin]
        call: SendState<F>,
        output: PhantomData<O>,
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

impl<C, F, M, E> Future for SendFuture<'_, C, F, fn() -> (M, E)>
where
    C: Codec,
    F: Future<Output = Result<Response, Error>>,
    M: Message,
    E: From<CallError<M::Error>>,
{
    type Output = Result<M::Reply, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.call.project() {
            SendStateProj::Called { call } => ready!(call.poll(cx)),
            SendStateProj::Refused { error } => Err(error.take().expect("polled after completion")),
        };
        Poll::Ready(match result {
            Ok(response) => {
                decode_reply::<M, _>(*this.codec, &response).map_err(|error| CallError::Call(error).into())
            }
            Err(error) => Err(decode_error::<M, _>(*this.codec, error).into()),
        })
    }
}
