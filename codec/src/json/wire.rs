//! The one object of a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use isolated_workers_core::{Body, Frame, Metadata, RemoteError, TxId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::FrameError;

/// Keys that are not listed here are passed over.
#[derive(Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(default)]
    kind: Kind,
    #[serde(borrow, default, rename = "type")]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    tx: Option<Text<'a>>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    /// In milliseconds.
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    meta: BTreeMap<String, String>,
}

/// Inside an `Option`, a bare `Cow` would never borrow.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Request,
    Oneway,
    Reply,
    Error,
    Cancel,
    Ping,
    Pong,
    Goodbye,
}

#[derive(Serialize, Deserialize)]
struct ErrorPayload<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    stack: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    chain: Cow<'a, [String]>,
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// A key that is there: its `null` is a value, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Wire<'_> {
    fn timeout(&self) -> Option<Duration> {
        let timeout = Duration::try_from_secs_f64(self.timeout? / 1e3).ok()?;
        (!timeout.is_zero()).then_some(timeout)
    }

    /// The frame; its body shares the memory of `line`, which this was decoded from.
    pub(super) fn into_frame(self, line: &Bytes) -> Result<Frame, FrameError> {
        FrameError::check_keys(self.meta.len())?;
        match self.kind {
            Kind::Ping => return Ok(Frame::Ping),
            Kind::Pong => return Ok(Frame::Pong),
            Kind::Goodbye => return Ok(Frame::Goodbye { stay: self.timeout() }),
            _ => {}
        }
        let id: TxId = match &self.tx {
            Some(tx) => (&*tx.0).into(),
            None => return Err(FrameError::malformed("it has no `tx`")),
        };
        let timeout = self.timeout();
        let share = |raw: &RawValue| line.slice_ref(raw.get().as_bytes());
        let body = || self.payload.map_or(Body::empty(), |raw| share(raw).into());
        let named = |suffix| self.name.strip_suffix(suffix).unwrap_or(&self.name).into();
        Ok(match self.kind {
            Kind::Request | Kind::Oneway => {
                if self.name.is_empty() {
                    return Err(FrameError::malformed("it has no `type`"));
                }
                Frame::Request {
                    id,
                    name: named(""),
                    body: body(),
                    metadata: self.meta.into_iter().collect(),
                    oneway: matches!(self.kind, Kind::Oneway),
                    timeout,
                }
            }
            Kind::Reply => Frame::Reply {
                id,
                name: named("Result"),
                body: body(),
                metadata: self.meta.into_iter().collect(),
            },
            Kind::Error => {
                let raw = self.payload.ok_or_else(|| FrameError::malformed("an error without a payload"))?;
                let payload: ErrorPayload<'_> =
                    serde_json::from_str(raw.get()).map_err(FrameError::malformed)?;
                let mut error = RemoteError::new(payload.name, payload.message);
                error.stack = payload.stack.map(Cow::into_owned);
                error.code = payload.code.map(Cow::into_owned);
                error.chain = payload.chain.into_owned();
                error.data = payload.data.map(share);
                Frame::Error { id, name: named("Error"), error: Box::new(error) }
            }
            _ => Frame::Cancel { id },
        })
    }
}

/// Appends the object of `frame`. A request has no `kind`, because a peer that knows none sends it so, too.
pub(super) fn put(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Request { id, name, body, metadata, oneway, timeout } => {
            out.put_slice(b"{\"type\":");
            put_string(&[name.as_str()], out);
            put_payload(body, out)?;
            out.put_slice(b",\"tx\":");
            put_id(id, out);
            if *oneway {
                out.put_slice(b",\"kind\":\"oneway\"");
            }
            put_timeout(*timeout, out)?;
            put_metadata(metadata, out)?;
        }
        Frame::Reply { id, name, body, metadata } => {
            put_answer(id, &[name.as_str(), "Result"], "reply", out);
            put_payload(body, out)?;
            put_metadata(metadata, out)?;
        }
        Frame::Error { id, name, error } => {
            put_answer(id, &[name.as_str(), "Error"], "error", out);
            out.put_slice(b",\"payload\":");
            serde_json::to_writer(out.writer(), &error_payload(error)?).map_err(FrameError::malformed)?;
        }
        Frame::Cancel { id } => {
            out.put_slice(b"{\"kind\":\"cancel\",\"tx\":");
            put_id(id, out);
        }
        Frame::Ping => out.put_slice(b"{\"kind\":\"ping\""),
        Frame::Pong => out.put_slice(b"{\"kind\":\"pong\""),
        Frame::Goodbye { stay } => {
            out.put_slice(b"{\"kind\":\"goodbye\"");
            put_timeout(*stay, out)?;
        }
        _ => unreachable!("a frame of a kind that core added and this crate does not know"),
    }
    out.put_u8(b'}');
    Ok(())
}

fn put_answer(id: &TxId, name: &[&str], kind: &str, out: &mut BytesMut) {
    out.put_slice(b"{\"tx\":");
    put_id(id, out);
    out.put_slice(b",\"type\":");
    put_string(name, out);
    out.put_slice(b",\"kind\":");
    put_string(&[kind], out);
}

/// An empty payload has no key.
fn put_payload(body: &Body, out: &mut BytesMut) -> Result<(), FrameError> {
    let body = body.as_bytes();
    if body.is_empty() || body == b"null" {
        return Ok(());
    }
    // Only a body that was not made by the codec can hold one; it would end the line.
    if memchr::memchr(b'\n', body).is_some() {
        return Err(FrameError::malformed("its payload has a line break in it"));
    }
    out.put_slice(b",\"payload\":");
    out.put_slice(body);
    Ok(())
}

fn put_metadata(metadata: &Metadata, out: &mut BytesMut) -> Result<(), FrameError> {
    if metadata.is_empty() {
        return Ok(());
    }
    FrameError::check_keys(metadata.len())?;
    out.put_slice(b",\"meta\":");
    let pairs: BTreeMap<_, _> = metadata.iter().collect();
    serde_json::to_writer(out.writer(), &pairs).map_err(FrameError::malformed)
}

fn put_timeout(timeout: Option<Duration>, out: &mut BytesMut) -> Result<(), FrameError> {
    let Some(timeout) = timeout else { return Ok(()) };
    out.put_slice(b",\"timeout\":");
    serde_json::to_writer(out.writer(), &(timeout.as_secs_f64() * 1e3)).map_err(FrameError::malformed)
}

fn put_id(id: &TxId, out: &mut BytesMut) {
    put_string(&[&id.to_string()], out);
}

/// Appends the parts as one string.
fn put_string(parts: &[&str], out: &mut BytesMut) {
    out.put_u8(b'"');
    for part in parts {
        if part.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            out.put_slice(part.as_bytes());
        } else {
            let quoted = serde_json::Value::from(*part).to_string();
            out.put_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        }
    }
    out.put_u8(b'"');
}

fn error_payload(error: &RemoteError) -> Result<ErrorPayload<'_>, FrameError> {
    let data = error.data.as_deref().map(serde_json::from_slice).transpose();
    Ok(ErrorPayload {
        message: Cow::Borrowed(&error.message),
        name: Cow::Borrowed(&error.name),
        stack: error.stack.as_deref().map(Cow::Borrowed),
        code: error.code.as_deref().map(Cow::Borrowed),
        chain: Cow::Borrowed(&error.chain),
        data: data.map_err(FrameError::malformed)?,
    })
}
