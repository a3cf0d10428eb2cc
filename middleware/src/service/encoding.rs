//! Encoding and decoding of messages, replies and errors.

use std::any::type_name;
use std::fmt::Write as _;

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytes;
use isolated_workers_codec::{
    BodyLimit, Codec, CodecError, Pieces, collect_descriptors, decode_body, decode_within,
};
use isolated_workers_core::{
    Body, Budget, CallError, Error, ErrorKind, Executed, Message, RemoteError, Request, Response, Role,
    ServiceError, Value,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::encode_buffer;
use crate::support::names;

pub(crate) const SKEW_ADVICE: &str = "; build host and worker from the same definition of the service";

/// The two reasons for bytes that do not decode: another definition, or a type that the codec
/// cannot represent.
const DECODE_ADVICE: &str = "; build host and worker from the same definition of the service, and check its types with `testing::RoundTrip`";

/// Decodes the payload of a request as the message `M`, within the budget of its body.
///
/// # Errors
/// `Decode` if the payload is not an `M`, `TooLarge` if it exceeds the budget.
pub fn decode<M: Message, C: Codec>(codec: &C, request: &Request) -> Result<M, Error> {
    decode_payload(codec, request.body(), request.role())
}

/// Decodes `body` as the message `M` on `side`.
#[inline]
pub(crate) fn decode_payload<M: Message, C: Codec>(codec: &C, body: &Body, side: Role) -> Result<M, Error> {
    match decode_body(codec, body) {
        Ok(message) => Ok(message),
        Err(error) => Err(undecodable_message(M::NAME, C::ID, error, side)),
    }
}

#[cold]
fn undecodable_message(name: &str, codec: &str, error: CodecError, side: Role) -> Error {
    let attempt = format!("could not decode `{name}` from {codec}");
    undecodable(attempt, error, side).with_executed(Executed::No)
}

/// Creates the error of a value that could not be decoded on `side`.
pub(crate) fn undecodable(attempt: String, error: CodecError, side: Role) -> Error {
    let (kind, advice) = match side {
        _ if !error.is_over_budget() => {
            (ErrorKind::Decode, if error.has_advice() { "" } else { DECODE_ADVICE })
        }
        _ if !error.can_raise_limit() => (ErrorKind::TooLarge, ""),
        Role::Caller => (ErrorKind::TooLarge, ", the host: `Worker::builder(..).limits(..)`"),
        _ => (ErrorKind::TooLarge, ", the worker: `serve(..).limits(..)`"),
    };
    Error::with_source(kind, format!("{attempt}: {error}{advice}"), error)
}

/// Value of a call that is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Message,
    Reply,
    /// Item of a stream.
    Item,
    /// Error value of a handler.
    Failure,
}

impl Part {
    /// Describes the value for an error.
    pub(super) fn describe(self, name: &str) -> String {
        match self {
            Self::Message => format!("the message `{name}`"),
            Self::Reply => format!("the reply to `{name}`"),
            Self::Item => format!("an item of `{name}`"),
            Self::Failure => format!("the error of `{name}`"),
        }
    }

    /// A message is encoded before its call, the others after their handler.
    pub(super) fn executed(self) -> Executed {
        match self {
            Self::Message => Executed::No,
            Self::Item => Executed::Maybe,
            Self::Reply | Self::Failure => Executed::Yes,
        }
    }
}

/// Encodes a value of the message `name` within `limit`.
pub(crate) fn encode<C: Codec, T: Serialize>(
    codec: &C,
    limit: BodyLimit,
    value: &T,
    part: Part,
    name: &str,
) -> Result<Body, Error> {
    let mut body = Body::empty();
    encode_into(&mut body, codec, limit, value).map_err(|error| unencodable::<C>(error, part, name))?;
    Ok(body)
}

/// Fills the empty `body` with the encoded value.
pub(crate) fn encode_into<C: Codec, T: Serialize>(
    body: &mut Body,
    codec: &C,
    limit: BodyLimit,
    value: &T,
) -> Result<(), CodecError> {
    fill(body, limit, usize::MAX, &mut |pieces| codec.encode_pieces(value, pieces))
}

/// Fills the empty `body` with what `encode` writes. Not generic, because it would be translated
/// for each message and reply.
pub(super) fn fill(
    body: &mut Body,
    limit: BodyLimit,
    interrupt_bytes: usize,
    encode: &mut dyn FnMut(&mut Pieces<'_>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let (shared, encoded, descriptors) = encode_buffer::fill(body, |out| {
        let mut pieces = Pieces::new(out);
        pieces.limit_to(limit);
        pieces.interrupt_at(interrupt_bytes);
        let (encoded, descriptors) = collect_descriptors(|| encode(&mut pieces));
        let encoded = pieces.check(encoded);
        (pieces.into_shared(), encoded, descriptors)
    });
    if !shared.is_empty() {
        *body = shared.into_body(std::mem::take(body));
    }
    if let Some(descriptors) = descriptors {
        body.attach(descriptors);
    }
    // This process encoded the value itself, so its size needs no limit.
    body.set_budget(Budget::LOCAL);
    encoded
}

/// Creates the error of a value that could not be encoded.
#[cold]
pub(crate) fn unencodable<C: Codec>(error: CodecError, part: Part, name: &str) -> Error {
    let kind = if error.is_over_budget() { ErrorKind::TooLarge } else { ErrorKind::Encode };
    let advice = if error.has_advice() { "" } else { "; change its type, or use a codec that supports it" };
    let text = format!("could not encode {} as {}: {error}{advice}", part.describe(name), C::ID);
    let error = Error::with_source(kind, text, error).with_executed(part.executed());
    // A handler that returns the error of a message that it sends itself forwards it.
    if let Part::Message = part { error.of_call() } else { error }
}

/// Creates the answer of a handler of the message `name` that failed.
pub(crate) fn encode_error<E: ServiceError, C: Codec>(codec: &C, failure: &E, name: &str) -> Error {
    let encoded = encode(codec, BodyLimit::NONE, &ErrorRef(failure), Part::Failure, name);
    encoded_error(failure, encoded, name)
}

/// Creates the error of a handler whose error value is `encoded`.
pub(super) fn encoded_error<E: ServiceError>(failure: &E, encoded: Result<Body, Error>, name: &str) -> Error {
    let mut remote = RemoteError::new(names::type_name::<E>(), failure.to_text());
    match encoded {
        Ok(data) if data.attachments().is_some() => {
            remote.message.push_str(" (its value was not sent: an error cannot have descriptors)");
        }
        Ok(data) => {
            remote.set_budget(data.budget());
            remote.data = Some(data.into_bytes());
        }
        // The caller gets the text, because the failure matters more than its encoding.
        Err(error) => write!(remote.message, " ({error})").expect("a string takes any text"),
    }
    Error::remote(name, remote)
}

/// Decodes the reply to the message `name`.
#[inline]
pub(crate) fn decode_reply<R: Value, C: Codec>(
    codec: &C,
    response: &Response,
    name: &str,
) -> Result<R, Error> {
    // A oneway message has no answer, and its reply type is `()`.
    match decode_body(codec, response.body()) {
        Ok(MaybeBytes(reply)) => Ok(reply),
        Err(error) => Err(undecodable_reply(name, type_name::<R>(), C::ID, error)),
    }
}

#[cold]
fn undecodable_reply(name: &str, reply: &str, codec: &str, error: CodecError) -> Error {
    let attempt = format!("could not decode the reply to `{name}` as {reply} from {codec}");
    undecodable(attempt, error, Role::Caller).with_executed(Executed::Yes)
}

/// Decodes an item of the message `name`.
pub(crate) fn decode_item<T: Value, C: Codec>(codec: &C, item: &Body, name: &str) -> Result<T, Error> {
    match decode_body(codec, item) {
        Ok(MaybeBytes(item)) => Ok(item),
        Err(error) => Err(undecodable_item(name, type_name::<T>(), C::ID, error)),
    }
}

#[cold]
fn undecodable_item(name: &str, item: &str, codec: &str, error: CodecError) -> Error {
    let attempt = format!("could not decode an item of `{name}` as {item} from {codec}");
    undecodable(attempt, error, Role::Caller).with_executed(Executed::Maybe)
}

/// Returns the typed error of the message `name` if the callee answered with one.
pub(crate) fn decode_error<E: ServiceError, C: Codec>(codec: &C, error: Error, name: &str) -> CallError<E> {
    let Some(remote) = error.remote_error() else { return CallError::Call(error) };
    let Some(data) = &remote.data else { return CallError::Call(error) };
    match decode_within(codec, data, remote.budget()) {
        Ok(DecodedError(failure)) => CallError::Service(failure),
        Err(refused) if refused.is_over_budget() => {
            let attempt = format!("could not decode the error of `{name}` from {}", C::ID);
            CallError::Call(undecodable(attempt, refused, Role::Caller).with_executed(Executed::Yes))
        }
        // The error's text still describes the failure.
        Err(_) => CallError::Call(error),
    }
}

/// [`Value`] for a codec, which encodes types with serde support.
pub(super) struct ValueRef<'a, T>(pub(super) &'a T);

impl<T: Value> Serialize for ValueRef<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode(serializer)
    }
}

/// [`ServiceError`] for a codec.
pub(super) struct ErrorRef<'a, E>(pub(super) &'a E);

impl<E: ServiceError> Serialize for ErrorRef<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode(serializer)
    }
}

/// [`ServiceError`] from a codec.
struct DecodedError<E>(E);

impl<'de, E: ServiceError> Deserialize<'de> for DecodedError<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        E::decode(deserializer).map(Self)
    }
}
