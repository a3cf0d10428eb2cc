//! What a worker serves, and the pieces to write one by hand.
//!
//! `#[service]` generates a [`Handler`] that is a `match` over the names of messages with a [`respond`] in each arm.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytes;
use isolated_workers_codec::{Codec, CodecError, Pieces, decode_body, decode_within};
use isolated_workers_core::{
    Body, Budget, CallError, Error, ErrorKind, Executed, Message, RemoteError, Request, Response, Role,
    Schema,
};
use serde::Serialize;

use crate::naming::type_name;
use crate::{Context, panic_place, scratch};

/// What a worker serves: the answer to each message of a service, whatever the codec.
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
    message = "`{Self}` does not say how to answer messages",
    note = "implement a `#[service]` trait for it and pass `value.into_service()`, or implement `Handler` by hand"
)]
pub trait Handler: Send + Sync + 'static {
    /// What the service is called and looks like.
    const SCHEMA: Schema;

    /// Answers one message.
    ///
    /// # Errors
    /// The error that the caller is answered with.
    fn handle<C: Codec>(
        &self,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send;
}

/// Decodes the message, runs `run` on it and encodes what that returns.
///
/// # Errors
/// `Decode` or `Encode` where a value and its bytes do not fit, `Remote` where `run` failed.
pub async fn respond<M, C, F, Fut>(codec: &C, request: Request, run: F) -> Result<Response, Error>
where
    M: Message,
    C: Codec,
    F: FnOnce(M) -> Fut + Send,
    Fut: Future<Output = Result<M::Reply, M::Error>> + Send,
{
    let message = decode(codec, &request)?;
    // The payload may be large, and the handler needs it no more.
    drop(request);
    reply::<M, C>(codec, run(message).await)
}

/// [`respond`] for what takes a [`Context`], too. Its token fires where the future of this is dropped
/// before it has ended.
///
/// # Errors
/// Those of [`respond`].
pub async fn respond_in_context<M, C, F, Fut>(codec: &C, request: Request, run: F) -> Result<Response, Error>
where
    M: Message,
    C: Codec,
    F: FnOnce(Context, M) -> Fut + Send,
    Fut: Future<Output = Result<M::Reply, M::Error>> + Send,
{
    let message = decode(codec, &request)?;
    let context = Context::of(request);
    let given_up = context.cancelled().clone().drop_guard();
    let result = run(context, message).await;
    given_up.disarm();
    reply::<M, C>(codec, result)
}

/// [`respond_in_context`] for a `run` that computes for long or blocks: it runs on a thread of tokio's blocking pool, so that the
/// connection stays live meanwhile. Must be called within a tokio runtime.
///
/// Dropping the future does not stop `run`, which can look at the token of its [`Context`] now and then: what it
/// returns is dropped then.
///
/// # Errors
/// As those of [`respond`], and `Closed` where the runtime is about to end and starts nothing more.
///
/// # Panics
/// Where `run` does.
pub async fn respond_blocking<M, C, F>(codec: &C, request: Request, run: F) -> Result<Response, Error>
where
    M: Message,
    C: Codec,
    F: FnOnce(Context, M) -> Result<M::Reply, M::Error> + Send + 'static,
{
    let message = decode(codec, &request)?;
    let context = Context::of(request);
    let given_up = context.cancelled().clone().drop_guard();
    let run = move || {
        let ran = panic_place::watch(|| catch_unwind(AssertUnwindSafe(|| run(context, message))));
        ran.map_err(|panic| (panic, panic_place::take()))
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(result)) => {
            given_up.disarm();
            reply::<M, C>(codec, result)
        }
        Ok(Err((panic, place))) => {
            panic_place::set(place);
            resume_unwind(panic)
        }
        // What panics is caught above.
        Err(_) => {
            let text = format!("could not run the handler of `{}`: the runtime of its worker ends", M::NAME);
            Err(Error::new(ErrorKind::Closed, text).with_executed(Executed::No))
        }
    }
}

/// Encodes what a handler of the message `M` has returned: for handlers that answer elsewhere than where they decode,
/// as an actor does.
///
/// # Errors
/// `Encode` where a value has no bytes, `Remote` where the handler failed.
pub fn reply<M: Message, C: Codec>(codec: &C, result: Result<M::Reply, M::Error>) -> Result<Response, Error> {
    match result {
        Ok(reply) => {
            let mut response = Response::new(Body::empty());
            encode_into(response.body_mut(), codec, &MaybeBytes(&reply), "reply", M::NAME)?;
            Ok(response)
        }
        Err(failure) => {
            let data = encode(codec, &failure, "error", M::NAME)?;
            let mut remote = RemoteError::new(type_name::<M::Error>(), failure.to_string());
            remote.set_budget(data.budget());
            remote.data = Some(data.into_bytes());
            Err(Error::remote(M::NAME, remote))
        }
    }
}

/// Decodes the payload of a request as the message `M`, within the budget of its body.
///
/// # Errors
/// `Decode` where it is not one, `TooLarge` where it takes more than the budget.
pub fn decode<M: Message, C: Codec>(codec: &C, request: &Request) -> Result<M, Error> {
    decode_body(codec, request.body()).map_err(|error| {
        let attempt = format!("could not decode `{}` from {}", M::NAME, C::ID);
        undecodable(attempt, error, request.role()).with_executed(Executed::No)
    })
}

fn undecodable(attempt: String, error: CodecError, side: Role) -> Error {
    let (kind, advice) = match side {
        _ if !error.is_over_budget() => (ErrorKind::Decode, SKEW),
        Role::Caller => (ErrorKind::TooLarge, ", the host: `Worker::builder(..).limits(..)`"),
        _ => (ErrorKind::TooLarge, ", the worker: `serve(..).limits(..)`"),
    };
    Error::with_source(kind, format!("{attempt}: {error}{advice}"), error)
}

/// The answer to a request whose name no handler has.
pub fn unknown_message(schema: &Schema, request: &Request) -> Error {
    let text = format!("the service {} has no message `{}`{SKEW}", schema.service(), request.name());
    Error::new(ErrorKind::UnknownMessage, text)
}

const SKEW: &str = "; build host and worker from the same definition of the service";

pub(crate) fn encode<C: Codec, T: Serialize>(
    codec: &C,
    value: &T,
    what: &str,
    name: &str,
) -> Result<Body, Error> {
    let mut body = Body::empty();
    encode_into(&mut body, codec, value, what, name)?;
    Ok(body)
}

/// Makes the empty `body` one of the value.
pub(crate) fn encode_into<C: Codec, T: Serialize>(
    body: &mut Body,
    codec: &C,
    value: &T,
    what: &str,
    name: &str,
) -> Result<(), Error> {
    let (shared, encoded) = scratch::fill(body, |out| {
        let mut pieces = Pieces::new(out);
        let encoded = codec.encode_pieces(value, &mut pieces);
        (pieces.into_shared(), encoded)
    });
    if !shared.is_empty() {
        *body = shared.into_body(std::mem::take(body));
    }
    // There is no need to protect this process from itself.
    body.set_budget(Budget::LOCAL);
    match encoded {
        Ok(()) => Ok(()),
        Err(error) => {
            let advice = "change its type, or use a codec that has a form for it";
            let text = format!("could not encode the {what} of `{name}` as {}: {error}; {advice}", C::ID);
            Err(Error::with_source(ErrorKind::Encode, text, error))
        }
    }
}

pub(crate) fn decode_reply<M: Message, C: Codec>(codec: &C, response: &Response) -> Result<M::Reply, Error> {
    // Nobody answers a oneway message, and its reply type is ().
    decode_body(codec, response.body()).map(|MaybeBytes(reply)| reply).map_err(|error| {
        let reply = std::any::type_name::<M::Reply>();
        let attempt = format!("could not decode the reply to `{}` as {reply} from {}", M::NAME, C::ID);
        undecodable(attempt, error, Role::Caller).with_executed(Executed::Yes)
    })
}

/// The typed error of `M`, where the answer was one.
pub(crate) fn decode_error<M: Message, C: Codec>(codec: &C, error: Error) -> CallError<M::Error> {
    let decode = |remote: &RemoteError| {
        let data = remote.data.as_ref()?;
        Some(decode_within(codec, data, remote.budget()))
    };
    match error.remote_error().and_then(decode) {
        Some(Ok(failure)) => CallError::Service(failure),
        Some(Err(error)) if error.is_over_budget() => {
            let attempt = format!("could not decode the error of `{}` from {}", M::NAME, C::ID);
            CallError::Call(undecodable(attempt, error, Role::Caller).with_executed(Executed::Yes))
        }
        // Its text says what it was all the same.
        _ => CallError::Call(error),
    }
}
