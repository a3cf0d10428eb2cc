//! Payload of an error frame: an object, if the peer sends errors as this library does.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::RemoteError;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::bounded;
use super::line::Line;
use crate::FrameError;
use crate::framing::MAX_CAUSES;

/// Known keys. All are optional, and other keys are ignored.
#[derive(Serialize, Deserialize)]
struct ErrorPayload<'a> {
    #[serde(default, deserialize_with = "null_as_empty")]
    message: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_as_empty")]
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "any_as_text", skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "bounded::causes", skip_serializing_if = "<[_]>::is_empty")]
    chain: Cow<'a, [String]>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// Decodes `null` as an empty text.
fn null_as_empty<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default().into())
}

/// Decodes a value of any type as text: codes are numbers in some languages.
fn any_as_text<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.map(|raw| text(raw.get()).into()))
}

/// Decodes the value of a key that is present. A `null` counts as a value.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Returns the text of a string, and the JSON of any other value.
fn text(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// Decodes the error of a payload, which is a part of `line`.
///
/// A payload of any other type becomes the message of an error, because some languages can throw
/// any value.
pub(super) fn decode(payload: &str, line: &Line<'_>) -> RemoteError {
    let Ok(payload) = serde_json::from_str::<ErrorPayload<'_>>(payload) else {
        return RemoteError::new("", text(payload));
    };
    let mut error = RemoteError::new(payload.name, payload.message);
    error.stack = payload.stack.map(Cow::into_owned);
    error.code = payload.code.map(Cow::into_owned);
    error.chain = payload.chain.into_owned();
    error.data = payload.data.map(|raw| line.bytes(raw.get().as_bytes()));
    error
}

/// Appends the payload of `error`.
pub(super) fn encode(error: &RemoteError, out: &mut BytesMut) -> Result<(), FrameError> {
    let data = error.data.as_deref().map(serde_json::from_slice).transpose();
    let payload = ErrorPayload {
        message: Cow::Borrowed(&error.message),
        name: Cow::Borrowed(&error.name),
        stack: error.stack.as_deref().map(Cow::Borrowed),
        code: error.code.as_deref().map(Cow::Borrowed),
        chain: Cow::Borrowed(&error.chain[..error.chain.len().min(MAX_CAUSES)]),
        data: data.map_err(FrameError::malformed)?,
    };
    serde_json::to_writer(out.writer(), &payload).map_err(FrameError::malformed)
}
