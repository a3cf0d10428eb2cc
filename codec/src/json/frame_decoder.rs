//! Decoding of a line into a frame.

use std::borrow::Cow;
use std::time::Duration;

use isolated_workers_core::{
    Attachments, Body, Frame, GoAway, Metadata, Name, RemoteError, Role, Streams, TxId,
};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;

use super::frame_encoder::{
    BOTH, CALLEE, CALLER, DETACH, DRAIN, ERROR_SUFFIX, PREPARE_DETACH, RESULT_SUFFIX,
};
use super::line::Line;
use super::members::{Members, RawJson};
use super::{bounded, error_payload};
use crate::FrameError;

/// Values of the known keys of a frame, not yet decoded.
#[derive(Clone, Copy, Default)]
pub(super) struct FrameMembers<'a> {
    kind: Option<RawJson<'a>>,
    name: Option<RawJson<'a>>,
    tx: Option<RawJson<'a>>,
    payload: Option<RawJson<'a>>,
    timeout: Option<RawJson<'a>>,
    meta: Option<RawJson<'a>>,
    items: Option<RawJson<'a>>,
    from: Option<RawJson<'a>>,
    descriptors: Option<RawJson<'a>>,
}

impl<'a> FrameMembers<'a> {
    /// Finds the values in a line. Ignores unknown keys.
    ///
    /// # Errors
    /// The line is not an object, or has a known key twice.
    pub(super) fn find(line: &'a str) -> Result<Self, FrameError> {
        let (mut found, mut members) = (Self::default(), Members::new(line)?);
        while let Some((key, value)) = members.next()? {
            let key = text("key", key)?;
            let known = match &*key {
                "kind" => &mut found.kind,
                "type" => &mut found.name,
                "tx" => &mut found.tx,
                "payload" => &mut found.payload,
                "timeout" => &mut found.timeout,
                "meta" => &mut found.meta,
                "items" => &mut found.items,
                "from" => &mut found.from,
                "descriptors" => &mut found.descriptors,
                _ => {
                    read::<IgnoredAny>(&key, value.json)?;
                    continue;
                }
            };
            if known.replace(value).is_some() {
                return Err(FrameError::malformed(format!("it has `{key}` twice")));
            }
        }
        Ok(found)
    }

    /// Decodes the frame. `line` is the line in which the values were found.
    pub(super) fn into_frame(self, line: &Line<'_>) -> Result<Frame, FrameError> {
        match self.descriptors.filter(is_value) {
            None => self.into_frame_of_bytes(line),
            Some(descriptors) => {
                let count = read("descriptors", descriptors.json)?;
                let mut frame = self.into_frame_of_bytes(line)?;
                let Some(body) = frame.body_mut() else {
                    return Err(FrameError::malformed("it has `descriptors`, and its kind has no payload"));
                };
                body.attach(Attachments::Named(count));
                Ok(frame)
            }
        }
    }

    fn into_frame_of_bytes(self, line: &Line<'_>) -> Result<Frame, FrameError> {
        let Some(kind) = self.kind.filter(is_value) else { return self.unmarked(line) };
        Ok(match &*text("kind", kind)? {
            "request" => self.request(&self.name()?, line, false)?,
            "oneway" => self.request(&self.name()?, line, true)?,
            "reply" => self.reply(&self.name()?, line)?,
            "error" => self.error(&self.name()?, line)?,
            "cancel" => Frame::Cancel { id: self.id()? },
            "ping" => Frame::Ping,
            "pong" => Frame::Pong,
            "credit" => Frame::Credit { bytes: self.credit()? },
            "item" => Frame::Item { id: self.id()?, from: self.sender()?, body: self.body(line).into() },
            "items_end" => Frame::ItemsEnd { id: self.id()? },
            "item_credit" => {
                Frame::ItemCredit { id: self.id()?, from: self.sender()?, bytes: self.credit()? }
            }
            "go_away" => Frame::GoAway(self.go_away()?),
            unknown => return Err(FrameError::malformed(format!("it has the unknown kind `{unknown}`"))),
        })
    }

    /// Decodes a frame without a kind. A name with the suffix of a reply or an error may still be
    /// the name of a request. Only the connection can tell.
    fn unmarked(self, line: &Line<'_>) -> Result<Frame, FrameError> {
        let name = self.name()?;
        let answer = if name.ends_with(RESULT_SUFFIX) {
            self.reply(&name, line)?
        } else if name.ends_with(ERROR_SUFFIX) {
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
        let mut request = Frame::request(id, name.into(), self.body(line), metadata, oneway, timeout);
        if let Some(items) = self.items.filter(is_value) {
            request.set_streams(streams(items)?);
        }
        Ok(request)
    }

    fn reply(self, name: &str, line: &Line<'_>) -> Result<Frame, FrameError> {
        Ok(Frame::reply(self.id()?, message_name(name, RESULT_SUFFIX), self.body(line), self.metadata()?))
    }

    fn error(self, name: &str, line: &Line<'_>) -> Result<Frame, FrameError> {
        let unknown = || RemoteError::new("", "the peer gave no reason");
        let error = self.payload().map_or_else(unknown, |payload| error_payload::decode(payload.json, line));
        Ok(Frame::Error { id: self.id()?, name: message_name(name, ERROR_SUFFIX), error: error.into() })
    }

    /// Decodes what a go-away asks for. An unknown payload asks for the end.
    fn go_away(&self) -> Result<GoAway, FrameError> {
        let payload = self.payload().map(|payload| text("payload", payload)).transpose()?;
        Ok(match payload.as_deref() {
            Some(DRAIN) => GoAway::Drain,
            Some(PREPARE_DETACH) => GoAway::PrepareDetach,
            Some(DETACH) => GoAway::Detach,
            _ => self.timeout()?.map_or(GoAway::End, GoAway::Linger),
        })
    }

    fn credit(&self) -> Result<u64, FrameError> {
        match self.payload() {
            Some(payload) => read("payload", payload.json),
            None => Err(FrameError::malformed("it has no `payload`")),
        }
    }

    /// Decodes the role of the sender of an item or its credit.
    fn sender(&self) -> Result<Role, FrameError> {
        let Some(from) = self.from.filter(is_value) else { return Ok(Role::Callee) };
        match &*text("from", from)? {
            CALLER => Ok(Role::Caller),
            CALLEE => Ok(Role::Callee),
            unknown => Err(FrameError::malformed(format!("its `from` is `{unknown}`"))),
        }
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

    fn payload(&self) -> Option<RawJson<'a>> {
        self.payload.filter(is_value)
    }

    fn body(&self, line: &Line<'_>) -> Body {
        self.payload().map_or(Body::empty(), |payload| line.body(payload.json.as_bytes()))
    }

    /// Decodes a timeout in milliseconds. Zero means no timeout.
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

/// Decodes who sends items.
fn streams(items: RawJson<'_>) -> Result<Streams, FrameError> {
    let (from_caller, from_callee) = match &*text("items", items)? {
        CALLER => (true, false),
        CALLEE => (false, true),
        BOTH => (true, true),
        unknown => return Err(FrameError::malformed(format!("its `items` is `{unknown}`"))),
    };
    Ok(Streams { from_caller, from_callee })
}

/// Returns the name of the message that `name` answers.
fn message_name(name: &str, suffix: &str) -> Name {
    name.strip_suffix(suffix).unwrap_or(name).into()
}

/// Returns `false` for `null`, which counts as a missing member.
fn is_value(value: &RawJson<'_>) -> bool {
    value.json != "null"
}

/// Decodes a string that is the value or the key of a member.
#[inline]
fn text<'a>(member: &str, raw: RawJson<'a>) -> Result<Cow<'a, str>, FrameError> {
    // `Cow` borrows only with this attribute.
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
