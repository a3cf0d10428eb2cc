//! Handlers, and functions for handlers written by hand.
//!
//! `#[service]` generates a [`Handler`] that matches on the name of the message and calls
//! [`respond`] in each arm.

use std::pin::Pin;
use std::task::{self, Poll};

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{
    Body, Error, ErrorKind, Executed, Message, Request, Response, Schema, ServiceInfo, Value,
};
use pin_project_lite::pin_project;

pub use super::answer::Answer;
use super::blocking::{BlockingTask, ShutDown};
pub use super::encoding::decode;
use super::encoding::{Part, SKEW_ADVICE, decode_payload, encode_error, encode_into, unencodable};
use super::large_value::{Encoded, encode_owned_error, encode_small_into};
pub use super::streaming::{respond_stream, respond_stream_in_context, streaming};
use crate::Context;

/// Answers the messages of one service, with any codec. A worker serves a handler.
///
/// ```
/// use isolated_workers_core::{Error, Message, Never, Request, Response, Schema};
/// use isolated_workers_middleware::handler::{self, Handler};
/// use isolated_workers_codec::Codec;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Message for Add {
/// #     const NAME: &'static str = "add";
/// #     type Reply = i64;
/// #     type Error = Never;
/// # }
///
/// struct Calculator;
///
/// impl Handler for Calculator {
///     const SCHEMA: Schema = Schema::new("Calculator", 1);
///
///     async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
///         match request.name() {
///             Add::NAME => handler::respond(codec, request, |Add { a, b }| async move { Ok(a + b) }).await,
///             _ => Err(handler::unknown_message(&Self::SCHEMA, &request)),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "implement a `#[service]` trait for it and pass `value.into_service()`, or implement `Handler` by hand"
)]
pub trait Handler: Send + Sync + 'static {
    /// Name and fingerprint of the service.
    const SCHEMA: Schema;

    /// Returns the identities of all services that this handler answers, with
    /// [`SCHEMA`](Self::SCHEMA) first. A handler that passes requests on to a
    /// [`Router`](crate::Router) returns those of the router. Default: `SCHEMA`.
    fn schemas() -> Vec<Schema> {
        vec![Self::SCHEMA]
    }

    /// Returns the descriptions of the services of [`schemas`](Self::schemas), in the same order. A
    /// worker answers with them if it is asked what it can do. Default: the name and fingerprint of
    /// each, without methods.
    fn infos() -> Vec<ServiceInfo> {
        Self::schemas().into_iter().map(ServiceInfo::new).collect()
    }

    /// Answers one message.
    ///
    /// # Errors
    /// The error becomes the answer to the call.
    fn handle<C: Codec>(
        &self,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send;
}

/// Decodes the message, calls `run` with it, and encodes the result. A result of more than 1 MiB is
/// encoded on tokio's blocking thread pool.
///
/// # Errors
/// `Decode` if the payload is not an `M`, `TooLarge` if it exceeds its budget, `Encode` if the
/// result cannot be encoded, `Remote` if `run` returned an error.
pub fn respond<'a, M, C, F, Fut>(codec: &'a C, request: Request, run: F) -> Answer<'a>
where
    M: Message,
    C: Codec,
    F: FnOnce(M) -> Fut,
    Fut: Future<Output = Result<M::Reply, M::Error>> + Send + 'a,
{
    match decode(codec, &request) {
        Ok(message) => {
            // The payload may be large, and the handler no longer needs it.
            drop(request);
            Answer::encoding(Responding { codec, run: run(message), encode: encode_result::<M, C> })
        }
        Err(error) => Answer::failed(error),
    }
}

/// Like [`respond`], for a `run` that cannot fail and returns the reply itself.
///
/// # Errors
/// Same as [`respond`], except for `Remote`.
pub fn respond_ok<'a, M, C, F, Fut>(codec: &'a C, request: Request, run: F) -> Answer<'a>
where
    M: Message,
    C: Codec,
    F: FnOnce(M) -> Fut,
    Fut: Future<Output = M::Reply> + Send + 'a,
{
    match decode(codec, &request) {
        Ok(message) => {
            drop(request);
            Answer::encoding(Responding { codec, run: run(message), encode: encode_reply::<M, C> })
        }
        Err(error) => Answer::failed(error),
    }
}

pin_project! {
    /// Handler that runs, and the function that encodes its result. A future of this type is
    /// translated faster than an async function, of which there would be one for each method.
    struct Responding<'a, C, F, E> {
        codec: &'a C,
        #[pin]
        run: F,
        encode: E,
    }
}

impl<C, F, E> Future for Responding<'_, C, F, E>
where
    F: Future,
    E: Fn(&C, F::Output) -> Encoded<Response>,
{
    type Output = Encoded<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.run.poll(cx).map(|result| (this.encode)(this.codec, result))
    }
}

/// Like [`respond`], but `run` also receives a [`Context`]. Its token is cancelled if this future
/// is dropped before it completes.
///
/// # Errors
/// Same as [`respond`].
pub fn respond_in_context<'a, M, C, F, Fut>(codec: &'a C, request: Request, run: F) -> Answer<'a>
where
    M: Message,
    C: Codec,
    F: FnOnce(Context, M) -> Fut,
    Fut: Future<Output = Result<M::Reply, M::Error>> + Send + 'a,
{
    let message = match decode(codec, &request) {
        Ok(message) => message,
        Err(error) => return Answer::failed(error),
    };
    let context = Context::of(request);
    let cancel_on_drop = context.cancelled().clone().drop_guard();
    let end_callbacks = context.end_callbacks_on_drop();
    let run = run(context, message);
    Answer::encoding(async move {
        let result = run.await;
        cancel_on_drop.disarm();
        drop(end_callbacks);
        encode_result::<M, C>(codec, result)
    })
}

/// Like [`respond_in_context`], for a `run` that blocks or computes for a long time. It runs on
/// tokio's blocking thread pool, so that the connection stays responsive. The message is decoded
/// and the result encoded there, too, which takes long if they are large.
///
/// Dropping the future does not stop `run` if it has started, but cancels the token of its
/// [`Context`], which `run` can check. The result of `run` is dropped in that case. A worker
/// answers a cancelled call when `run` has returned.
///
/// # Errors
/// Same as [`respond`], `Closed` if the runtime is shutting down, and `Overloaded` if the system
/// refuses a thread.
///
/// # Panics
/// Panics if `run` panics, or if called outside of a tokio runtime.
pub fn respond_blocking<M, C, F>(codec: &C, mut request: Request, run: F) -> Answer<'_>
where
    M: Message,
    C: Codec,
    F: FnOnce(Context, M) -> Result<M::Reply, M::Error> + Send + 'static,
{
    let (codec, role) = (codec.clone(), request.role());
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let context = Context::of(request);
    let cancel_on_drop = context.cancelled().clone().drop_guard();
    let end_callbacks = context.end_callbacks_on_drop();
    let answer = move || {
        let message = decode_payload(&codec, &body, role)?;
        drop(body);
        reply::<M, C>(&codec, run(context, message))
    };
    let task = match BlockingTask::spawn(answer) {
        Ok(task) => task,
        Err(refused) => return Answer::failed(without_thread(M::NAME, &refused.cause)),
    };
    Answer::new(async move {
        let ran = task.await;
        drop(end_callbacks);
        match ran {
            Ok(result) => {
                cancel_on_drop.disarm();
                result
            }
            Err(ShutDown) => {
                let text =
                    format!("could not run the handler of `{}`: the runtime is shutting down", M::NAME);
                Err(Error::new(ErrorKind::Closed, text).with_executed(Executed::No))
            }
        }
    })
}

/// Encodes the result of a handler of the message `M`, on this thread, whatever its size. Use it in
/// handlers that decode and answer in different places, such as actors.
///
/// # Errors
/// `Encode` if the reply cannot be encoded, `TooLarge` if it exceeds the limit of the codec's
/// connection, `Remote` if `result` is an error. The text of an error arrives even if its value
/// cannot be encoded.
pub fn reply<M: Message, C: Codec>(codec: &C, result: Result<M::Reply, M::Error>) -> Result<Response, Error> {
    match result {
        Ok(reply) => whole_reply(codec, &reply, M::NAME),
        Err(failure) => Err(encode_error(codec, &failure, M::NAME)),
    }
}

fn whole_reply<T: Value, C: Codec>(codec: &C, reply: &T, name: &str) -> Result<Response, Error> {
    let mut response = Response::new(Body::empty());
    match encode_into(response.body_mut(), codec, BodyLimit::NONE, &MaybeBytesRef(reply)) {
        Ok(()) => Ok(response),
        Err(error) => Err(unencodable::<C>(error, Part::Reply, name)),
    }
}

/// Encodes the result of a handler of the message `M`, on a blocking thread if it is large.
fn encode_result<M: Message, C: Codec>(codec: &C, result: Result<M::Reply, M::Error>) -> Encoded<Response> {
    match result {
        Ok(reply) => encode_reply::<M, C>(codec, reply),
        Err(failure) => encode_owned_error(codec, failure, M::NAME),
    }
}

fn encode_reply<M: Message, C: Codec>(codec: &C, reply: M::Reply) -> Encoded<Response> {
    let mut response = Response::new(Body::empty());
    let encoded = encode_small_into(response.body_mut(), codec, BodyLimit::NONE, &MaybeBytesRef(&reply));
    match encoded {
        Ok(()) => Encoded::Done(Ok(response)),
        Err(error) if error.is_interruption() => {
            let (codec, reply) = (codec.clone(), reply.into_sendable());
            Encoded::elsewhere(Part::Reply, M::NAME, move || whole_reply(&codec, &reply(), M::NAME))
        }
        Err(error) => Encoded::Done(Err(unencodable::<C>(error, Part::Reply, M::NAME))),
    }
}

#[cold]
fn without_thread(name: &str, cause: &str) -> Error {
    let text = format!(
        "could not run the handler of `{name}`: there is no thread for it: {cause}; raise the limit of processes \
         (`ulimit -u`, or that of the control group), or run fewer"
    );
    Error::new(ErrorKind::Overloaded, text)
}

/// Returns the answer to a request that no handler matches.
pub fn unknown_message(schema: &Schema, request: &Request) -> Error {
    let (service, name) = (schema.service(), request.name());
    let text = match request.service().filter(|other| *other != service) {
        Some(other) => {
            format!(
                "the service {service} does not answer `{name}` of the service {other}; check `request.service()` first"
            )
        }
        None => format!("the service {service} has no message `{name}`{SKEW_ADVICE}"),
    };
    Error::new(ErrorKind::UnknownMessage, text)
}
