//! The payload of an error: an object, where the other side knows what an error is.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::RemoteError;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::bounded;
use super::line::Line;
use crate::FrameError;
use crate::framing::MOST_CAUSES;

/// Any of the keys may be missing, and others are passed over.
#[derive(Serialize, Deserialize)]
struct ErrorPayload<'a> {
    #[serde(default, deserialize_with = "or_nothing")]
    message: Cow<'a, str>,
    #[serde(default, deserialize_with = "or_nothing")]
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "text_of_any", skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "bounded::causes", skip_serializing_if = "<[_]>::is_empty")]
    chain: Cow<'a, [String]>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// A `null` is an empty text.
fn or_nothing<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default().into())
}

/// Codes are numbers in some languages.
fn text_of_any<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.map(|raw| text(raw.get()).into()))
}

/// A key that is there: its `null` is a value, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// A string as it is, and anything else as its JSON.
fn text(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// The error of this payload, which is a part of `line`. What is no error in the other language, because anything can be
/// thrown there, becomes the text of one.
pub(super) fn read(payload: &str, line: &Line<'_>) -> RemoteError {
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
pub(super) fn put(error: &RemoteError, out: &mut BytesMut) -> Result<(), FrameError> {
    let data = error.data.as_deref().map(serde_json::from_slice).transpose();
    let payload = ErrorPayload {
        message: Cow::Borrowed(&error.message),
        name: Cow::Borrowed(&error.name),
        stack: error.stack.as_deref().map(Cow::Borrowed),
        code: error.code.as_deref().map(Cow::Borrowed),
        chain: Cow::Borrowed(&error.chain[..error.chain.len().min(MOST_CAUSES)]),
        data: data.map_err(FrameError::malformed)?,
    };
    serde_json::to_writer(out.writer(), &payload).map_err(FrameError::malformed)
}
