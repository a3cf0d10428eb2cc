//! The one object of a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::{Body, Frame, Metadata, Name, RemoteError, TxId};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;

use super::line::Line;
use super::members::{Members, Raw};
use super::{bounded, error};
use crate::FrameError;

/// What the keys stand for that are known, each as it stands in the line.
#[derive(Clone, Copy, Default)]
pub(super) struct Wire<'a> {
    kind: Option<Raw<'a>>,
    name: Option<Raw<'a>>,
    tx: Option<Raw<'a>>,
    payload: Option<Raw<'a>>,
    timeout: Option<Raw<'a>>,
    meta: Option<Raw<'a>>,
}

/// What the names of answers end with.
const RESULT: &str = "Result";
const ERROR: &str = "Error";

impl<'a> Wire<'a> {
    /// Finds them. Other keys are passed over.
    ///
    /// # Errors
    /// The line is not an object, or has one of them twice.
    pub(super) fn find(line: &'a str) -> Result<Self, FrameError> {
        let (mut wire, mut members) = (Self::default(), Members::of(line)?);
        while let Some((key, value)) = members.next()? {
            let key = text("key", key)?;
            let known = match &*key {
                "kind" => &mut wire.kind,
                "type" => &mut wire.name,
                "tx" => &mut wire.tx,
                "payload" => &mut wire.payload,
                "timeout" => &mut wire.timeout,
                "meta" => &mut wire.meta,
                _ => {
                    read::<IgnoredAny>(&key, value.json)?;
                    continue;
                }
            };
            if known.replace(value).is_some() {
                return Err(FrameError::malformed(format!("it has `{key}` twice")));
            }
        }
        Ok(wire)
    }

    /// The frame of `line`, in which this was found.
    pub(super) fn into_frame(self, line: &Line<'_>) -> Result<Frame, FrameError> {
        let Some(kind) = self.kind.filter(is_value) else { return self.unmarked(line) };
        Ok(match &*text("kind", kind)? {
            "request" => self.request(&self.name()?, line, false)?,
            "oneway" => self.request(&self.name()?, line, true)?,
            "reply" => self.reply(&self.name()?, line)?,
            "error" => self.error(&self.name()?, line)?,
            "cancel" => Frame::Cancel { id: self.id()? },
            "ping" => Frame::Ping,
            "pong" => Frame::Pong,
            "go_away" => Frame::GoAway { linger: self.timeout()? },
            unknown => return Err(FrameError::malformed(format!("there is no kind `{unknown}`"))),
        })
    }

    /// The frame of a peer that tells no kinds. A name that ends as that of an answer does may be one's own all the
    /// same: only the connection knows.
    fn unmarked(self, line: &Line<'_>) -> Result<Frame, FrameError> {
        let name = self.name()?;
        let answer = if name.ends_with(RESULT) {
            self.reply(&name, line)?
        } else if name.ends_with(ERROR) {
            self.error(&name, line)?
        } else {
            return self.request(&name, line, false);
        };
        Ok(Frame::Unmarked { answer: answer.into(), request: self.request(&name, line, false)?.into() })
    }

    fn request(self, name: &str, line: &Line<'_>, oneway: bool) -> Result<Frame, FrameError> {
        if name.is_empty() {
            return Err(FrameError::malformed("it has no `type`"));
        }
        let (id, metadata, timeout) = (self.id()?, self.metadata()?, self.timeout()?);
        Ok(Frame::request(id, name.into(), self.body(line), metadata, oneway, timeout))
    }

    fn reply(self, name: &str, line: &Line<'_>) -> Result<Frame, FrameError> {
        Ok(Frame::reply(self.id()?, answered(name, RESULT), self.body(line), self.metadata()?))
    }

    fn error(self, name: &str, line: &Line<'_>) -> Result<Frame, FrameError> {
        let unknown = || RemoteError::new("", "the other side gave no reason");
        let error = self.payload().map_or_else(unknown, |payload| error::read(payload.json, line));
        Ok(Frame::Error { id: self.id()?, name: answered(name, ERROR), error: error.into() })
    }

    fn id(&self) -> Result<TxId, FrameError> {
        match self.tx.filter(is_value) {
            Some(tx) => Ok((&*text("tx", tx)?).into()),
            None => Err(FrameError::malformed("it has no `tx`")),
        }
    }

    fn name(&self) -> Result<Cow<'a, str>, FrameError> {
        self.name.map_or(Ok(Cow::Borrowed("")), |name| text("type", name))
    }

    fn payload(&self) -> Option<Raw<'a>> {
        self.payload.filter(is_value)
    }

    fn body(&self, line: &Line<'_>) -> Body {
        self.payload().map_or(Body::empty(), |payload| line.body(payload.json.as_bytes()))
    }

    /// In milliseconds.
    fn timeout(&self) -> Result<Option<Duration>, FrameError> {
        let Some(timeout) = self.timeout.filter(is_value) else { return Ok(None) };
        let timeout = match serde_json::from_str(timeout.json) {
            Ok(millis) => Some(Duration::from_millis(millis)),
            Err(_) => Duration::try_from_secs_f64(read::<f64>("timeout", timeout.json)? / 1e3).ok(),
        };
        Ok(timeout.filter(|timeout| !timeout.is_zero()))
    }

    fn metadata(&self) -> Result<Metadata, FrameError> {
        let Some(meta) = self.meta else { return Ok(Metadata::new()) };
        let pairs = bounded::metadata(&mut Deserializer::from_str(meta.json));
        Ok(pairs.map_err(|error| not_read("meta", error))?.into_iter().collect())
    }
}

/// The message that an answer of this name is to.
fn answered(name: &str, suffix: &str) -> Name {
    name.strip_suffix(suffix).unwrap_or(name).into()
}

/// A `null` is as good as no member.
fn is_value(value: &Raw<'_>) -> bool {
    value.json != "null"
}

/// The string that is the value, or the key, of a member.
#[inline]
fn text<'a>(member: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, FrameError> {
    // Inside of anything else, a `Cow` would never borrow.
    #[derive(serde::Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    match raw.plain() {
        Some(plain) => Ok(Cow::Borrowed(plain)),
        None => Ok(read::<Text<'_>>(member, raw.json)?.0),
    }
}

fn read<'de, T: Deserialize<'de>>(member: &str, json: &'de str) -> Result<T, FrameError> {
    serde_json::from_str(json).map_err(|error| not_read(member, error))
}

#[cold]
fn not_read(member: &str, error: serde_json::Error) -> FrameError {
    FrameError::malformed(format!("its `{member}`: {error}"))
}

/// Appends the object of `frame`. A request has no `kind`, because a peer that knows none sends it so, too; unless it
/// would be taken for an answer.
pub(super) fn put(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Request { id, request } => {
            let name = request.name();
            out.put_slice(b"{\"type\":");
            put_string(&[name], out);
            put_payload(request.body(), out);
            out.put_slice(b",\"tx\":");
            put_id(id, out)?;
            if request.is_oneway() {
                out.put_slice(b",\"kind\":\"oneway\"");
            } else if name.ends_with(RESULT) || name.ends_with(ERROR) {
                out.put_slice(b",\"kind\":\"request\"");
            }
            put_timeout(frame.timeout(), out)?;
            put_metadata(request.metadata(), out)?;
        }
        Frame::Reply { id, name, response } => {
            put_answer(id, &[name.as_str(), RESULT], "reply", out)?;
            put_payload(response.body(), out);
            put_metadata(response.metadata(), out)?;
        }
        Frame::Error { id, name, error } => {
            put_answer(id, &[name.as_str(), ERROR], "error", out)?;
            out.put_slice(b",\"payload\":");
            error::put(error, out)?;
        }
        Frame::Cancel { id } => {
            out.put_slice(b"{\"kind\":\"cancel\",\"tx\":");
            put_id(id, out)?;
        }
        Frame::Ping => out.put_slice(b"{\"kind\":\"ping\""),
        Frame::Pong => out.put_slice(b"{\"kind\":\"pong\""),
        Frame::GoAway { linger } => {
            out.put_slice(b"{\"kind\":\"go_away\"");
            put_timeout(*linger, out)?;
        }
        _ => unreachable!("a frame of a kind that core added and this crate does not know"),
    }
    out.put_u8(b'}');
    Ok(())
}

fn put_answer(id: &TxId, name: &[&str], kind: &str, out: &mut BytesMut) -> Result<(), FrameError> {
    out.put_slice(b"{\"tx\":");
    put_id(id, out)?;
    out.put_slice(b",\"type\":");
    put_string(name, out);
    out.put_slice(b",\"kind\":");
    put_string(&[kind], out);
    Ok(())
}

/// An empty payload has no key.
fn put_payload(body: &Body, out: &mut BytesMut) {
    let body = body.as_bytes();
    if !body.is_empty() && body != b"null" {
        out.put_slice(b",\"payload\":");
        out.put_slice(body);
    }
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
    match u64::try_from(timeout.as_millis()) {
        Ok(millis) if timeout.subsec_nanos() % 1_000_000 == 0 => put_number(millis, out),
        _ => {
            serde_json::to_writer(out.writer(), &(timeout.as_secs_f64() * 1e3)).map_err(FrameError::malformed)
        }
    }
}

fn put_number(number: u64, out: &mut BytesMut) -> Result<(), FrameError> {
    serde_json::to_writer(out.writer(), &number).map_err(FrameError::malformed)
}

fn put_id(id: &TxId, out: &mut BytesMut) -> Result<(), FrameError> {
    match id.as_number() {
        Some(number) => {
            out.put_u8(b'"');
            put_number(number, out)?;
            out.put_u8(b'"');
        }
        None => put_string(&[&id.to_string()], out),
    }
    Ok(())
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
