//! The one object of a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use isolated_workers_core::{Body, Frame, Metadata, Name, RemoteError, TxId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{bounded, error};
use crate::FrameError;

/// Keys that are not listed here are passed over.
#[derive(Clone, Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(borrow, default, rename = "type")]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    tx: Option<Text<'a>>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    /// In milliseconds.
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default, deserialize_with = "bounded::metadata")]
    meta: BTreeMap<String, String>,
}

/// Inside an `Option`, a bare `Cow` would never borrow.
#[derive(Clone, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Request,
    Oneway,
    Reply,
    Error,
    Cancel,
    Ping,
    Pong,
    Goodbye,
}

/// What the names of answers end with.
const RESULT: &str = "Result";
const ERROR: &str = "Error";

impl Wire<'_> {
    /// The frame; its body shares the memory of `line`, which this was decoded from.
    pub(super) fn into_frame(self, line: &Bytes) -> Result<Frame, FrameError> {
        Ok(match self.kind {
            None => return self.unmarked(line),
            Some(Kind::Request) => self.request(line, false)?,
            Some(Kind::Oneway) => self.request(line, true)?,
            Some(Kind::Reply) => self.reply(line)?,
            Some(Kind::Error) => self.error(line)?,
            Some(Kind::Cancel) => Frame::Cancel { id: self.id()? },
            Some(Kind::Ping) => Frame::Ping,
            Some(Kind::Pong) => Frame::Pong,
            Some(Kind::Goodbye) => Frame::Goodbye { stay: self.timeout() },
        })
    }

    /// The frame of a peer that tells no kinds. A name that ends as that of an answer does may be one's own all the
    /// same: only the connection knows.
    fn unmarked(self, line: &Bytes) -> Result<Frame, FrameError> {
        let answer = if self.name.ends_with(RESULT) {
            self.clone().reply(line)?
        } else if self.name.ends_with(ERROR) {
            self.clone().error(line)?
        } else {
            return self.request(line, false);
        };
        Ok(Frame::Unmarked { answer: answer.into(), request: self.request(line, false)?.into() })
    }

    fn request(self, line: &Bytes, oneway: bool) -> Result<Frame, FrameError> {
        if self.name.is_empty() {
            return Err(FrameError::malformed("it has no `type`"));
        }
        let (id, body, timeout) = (self.id()?, self.body(line), self.timeout());
        let metadata = self.meta.into_iter().collect();
        Ok(Frame::request(id, (&*self.name).into(), body, metadata, oneway, timeout))
    }

    fn reply(self, line: &Bytes) -> Result<Frame, FrameError> {
        Ok(Frame::reply(self.id()?, self.answered(RESULT), self.body(line), self.meta.into_iter().collect()))
    }

    fn error(self, line: &Bytes) -> Result<Frame, FrameError> {
        let unknown = || RemoteError::new("", "the other side gave no reason");
        let error = self.payload.map_or_else(unknown, |raw| error::read(raw, line));
        Ok(Frame::Error { id: self.id()?, name: self.answered(ERROR), error: error.into() })
    }

    fn id(&self) -> Result<TxId, FrameError> {
        match &self.tx {
            Some(tx) => Ok((&*tx.0).into()),
            None => Err(FrameError::malformed("it has no `tx`")),
        }
    }

    fn body(&self, line: &Bytes) -> Body {
        self.payload.map_or(Body::empty(), |raw| line.slice_ref(raw.get().as_bytes()).into())
    }

    fn timeout(&self) -> Option<Duration> {
        let timeout = Duration::try_from_secs_f64(self.timeout? / 1e3).ok()?;
        (!timeout.is_zero()).then_some(timeout)
    }

    /// The message that an answer of this name is to.
    fn answered(&self, suffix: &str) -> Name {
        self.name.strip_suffix(suffix).unwrap_or(&self.name).into()
    }
}

/// Appends the object of `frame`. A request has no `kind`, because a peer that knows none sends it so, too; unless it
/// would be taken for an answer.
pub(super) fn put(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Request { id, request } => {
            let name = request.name();
            out.put_slice(b"{\"type\":");
            put_string(&[name], out);
            put_payload(request.body(), out)?;
            out.put_slice(b",\"tx\":");
            put_id(id, out);
            if request.is_oneway() {
                out.put_slice(b",\"kind\":\"oneway\"");
            } else if name.ends_with(RESULT) || name.ends_with(ERROR) {
                out.put_slice(b",\"kind\":\"request\"");
            }
            put_timeout(frame.timeout(), out)?;
            put_metadata(request.metadata(), out)?;
        }
        Frame::Reply { id, name, response } => {
            put_answer(id, &[name.as_str(), RESULT], "reply", out);
            put_payload(response.body(), out)?;
            put_metadata(response.metadata(), out)?;
        }
        Frame::Error { id, name, error } => {
            put_answer(id, &[name.as_str(), ERROR], "error", out);
            out.put_slice(b",\"payload\":");
            error::put(error, out)?;
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
