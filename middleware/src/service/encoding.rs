//! Encoding and decoding of messages, replies and errors.

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytes;
use isolated_workers_codec::{Codec, CodecError, Pieces, decode_body, decode_within};
use isolated_workers_core::{
    Body, Budget, CallError, Error, ErrorKind, Executed, Message, RemoteError, Request, Response, Role,
};
use serde::Serialize;

use super::encode_buffer;

pub(crate) const SKEW_ADVICE: &str = "; build host and worker from the same definition of the service";

/// Decodes the payload of a request as the message `M`, within the budget of its body.
///
/// # Errors
/// `Decode` if the payload is not an `M`, `TooLarge` if it exceeds the budget.
pub fn decode<M: Message, C: Codec>(codec: &C, request: &Request) -> Result<M, Error> {
    decode_body(codec, request.body()).map_err(|error| {
        let attempt = format!("could not decode `{}` from {}", M::NAME, C::ID);
        undecodable(attempt, error, request.role()).with_executed(Executed::No)
    })
}

/// Creates the error of a value that could not be decoded on `side`.
pub(crate) fn undecodable(attempt: String, error: CodecError, side: Role) -> Error {
    let (kind, advice) = match side {
        _ if !error.is_over_budget() => (ErrorKind::Decode, SKEW_ADVICE),
        _ if !error.can_raise_limit() => (ErrorKind::TooLarge, ""),
        Role::Caller => (ErrorKind::TooLarge, ", the host: `Worker::builder(..).limits(..)`"),
        _ => (ErrorKind::TooLarge, ", the worker: `serve(..).limits(..)`"),
    };
    Error::with_source(kind, format!("{attempt}: {error}{advice}"), error)
}

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

/// Fills the empty `body` with the encoded value.
pub(crate) fn encode_into<C: Codec, T: Serialize>(
    body: &mut Body,
    codec: &C,
    value: &T,
    what: &str,
    name: &str,
) -> Result<(), Error> {
    let (shared, encoded) = encode_buffer::fill(body, |out| {
        let mut pieces = Pieces::new(out);
        let encoded = codec.encode_pieces(value, &mut pieces);
        (pieces.into_shared(), encoded)
    });
    if !shared.is_empty() {
        *body = shared.into_body(std::mem::take(body));
    }
    // This process encoded the value itself, so its size needs no limit.
    body.set_budget(Budget::LOCAL);
    match encoded {
        Ok(()) => Ok(()),
        Err(error) => {
            let advice = "change its type, or use a codec that supports it";
            let text = format!("could not encode the {what} of `{name}` as {}: {error}; {advice}", C::ID);
            Err(Error::with_source(ErrorKind::Encode, text, error))
        }
    }
}

pub(crate) fn decode_reply<M: Message, C: Codec>(codec: &C, response: &Response) -> Result<M::Reply, Error> {
    // A oneway message has no answer, and its reply type is `()`.
    decode_body(codec, response.body()).map(|MaybeBytes(reply)| reply).map_err(|error| {
        let reply = std::any::type_name::<M::Reply>();
        let attempt = format!("could not decode the reply to `{}` as {reply} from {}", M::NAME, C::ID);
        undecodable(attempt, error, Role::Caller).with_executed(Executed::Yes)
    })
}

/// Returns the typed error of `M` if the callee answered with one.
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
        // The error's text still describes the failure.
        _ => CallError::Call(error),
    }
}
