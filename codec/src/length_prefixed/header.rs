//! What stands before the body of a binary frame, and the body of an error.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use isolated_workers_core::{Frame, Limits, Metadata, Name, RemoteError, TxId};

use super::fields::{Fields, Start, put_bytes, put_varint};
use crate::FrameError;
use crate::framing::MOST_CAUSES;

const REQUEST: u8 = 0;
const ONEWAY: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const CANCEL: u8 = 4;
const PING: u8 = 5;
const PONG: u8 = 6;
const GO_AWAY: u8 = 7;

/// The low bits of the first byte are the kind, the high ones tell what the header has besides.
const KIND: u8 = 0x0f;
const HAS_TIMEOUT: u8 = 0x10;
const HAS_METADATA: u8 = 0x20;

const ID_NUMBER: u8 = 0;
const ID_UUID: u8 = 1;
const ID_TEXT: u8 = 2;

/// Appends room for the length, and the header of `frame`.
#[inline]
pub(super) fn put(frame: &Frame, out: &mut BytesMut) {
    match frame {
        Frame::Request { id, request } => {
            let (name, timeout, metadata) = (request.name().as_bytes(), frame.timeout(), request.metadata());
            let mut start =
                Start::new(first_byte(if request.is_oneway() { ONEWAY } else { REQUEST }, timeout, metadata));
            put_id(id, &mut start, out);
            start.varint(name.len() as u64);
            out.put_slice(start.bytes());
            out.put_slice(name);
            put_timeout(timeout, out);
            put_metadata(metadata, out);
        }
        Frame::Reply { id, response, .. } => {
            let mut start = Start::new(first_byte(REPLY, None, response.metadata()));
            put_id(id, &mut start, out);
            out.put_slice(start.bytes());
            put_metadata(response.metadata(), out);
        }
        Frame::Error { id, .. } => put_kind(ERROR, Some(id), None, out),
        Frame::Cancel { id } => put_kind(CANCEL, Some(id), None, out),
        Frame::Ping => put_kind(PING, None, None, out),
        Frame::Pong => put_kind(PONG, None, None, out),
        Frame::GoAway { linger } => put_kind(GO_AWAY, None, *linger, out),
        _ => unreachable!("a frame of a kind that core added and this crate does not know"),
    }
}

fn put_kind(kind: u8, id: Option<&TxId>, timeout: Option<Duration>, out: &mut BytesMut) {
    let mut start = Start::new(first_byte(kind, timeout, &Metadata::new()));
    if let Some(id) = id {
        put_id(id, &mut start, out);
    }
    out.put_slice(start.bytes());
    put_timeout(timeout, out);
}

/// What stands before the body of a frame, in the kinds that have it.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) id: TxId,
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: Metadata,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Request,
    Oneway,
    Reply,
    Error,
    Cancel,
    Ping,
    Pong,
    GoAway,
}

impl Kind {
    #[inline]
    fn of(first: u8) -> Result<Self, FrameError> {
        Ok(match first & KIND {
            REQUEST => Self::Request,
            ONEWAY => Self::Oneway,
            REPLY => Self::Reply,
            ERROR => Self::Error,
            CANCEL => Self::Cancel,
            PING => Self::Ping,
            PONG => Self::Pong,
            GO_AWAY => Self::GoAway,
            unknown => return Err(no_kind(unknown)),
        })
    }

    pub(super) fn has_payload(self) -> bool {
        matches!(self, Self::Request | Self::Oneway | Self::Reply)
    }
}

/// Takes the header off. `name` becomes that of a request; where it is that already, it is not read anew.
#[inline]
pub(super) fn take(fields: &mut Fields<'_>, limits: Limits, name: &mut Name) -> Result<Header, FrameError> {
    let first = fields.byte()?;
    let kind = Kind::of(first)?;
    let has_id = !matches!(kind, Kind::Ping | Kind::Pong | Kind::GoAway);
    let is_request = matches!(kind, Kind::Request | Kind::Oneway);
    let id = if has_id { take_id(fields)? } else { 0.into() };
    if is_request {
        take_name(fields, name)?;
    }
    Ok(Header {
        kind,
        id,
        timeout: if is_request || !has_id { take_timeout(first, fields)? } else { None },
        metadata: if kind.has_payload() && first & HAS_METADATA != 0 {
            take_metadata(fields, limits)?
        } else {
            Metadata::new()
        },
    })
}

#[cold]
fn no_kind(unknown: u8) -> FrameError {
    FrameError::malformed(format!("there is no kind {unknown}"))
}

fn first_byte(kind: u8, timeout: Option<Duration>, metadata: &Metadata) -> u8 {
    let timeout = if timeout.is_some() { HAS_TIMEOUT } else { 0 };
    let metadata = if metadata.is_empty() { 0 } else { HAS_METADATA };
    kind | timeout | metadata
}

/// An id goes to `start`, unless it is a text: then all of that goes to `out` before it.
#[inline]
fn put_id(id: &TxId, start: &mut Start, out: &mut BytesMut) {
    if let Some(number) = id.as_number() {
        start.byte(ID_NUMBER);
        start.varint(number);
    } else if let Some(uuid) = id.as_uuid_bytes() {
        start.byte(ID_UUID);
        uuid.iter().for_each(|byte| start.byte(*byte));
    } else {
        start.byte(ID_TEXT);
        out.put_slice(start.bytes());
        put_bytes(id.to_string().as_bytes(), out);
        start.clear();
    }
}

#[inline]
fn take_id(fields: &mut Fields<'_>) -> Result<TxId, FrameError> {
    Ok(match fields.byte()? {
        ID_NUMBER => fields.varint()?.into(),
        ID_UUID => fields.array::<16>()?.into(),
        ID_TEXT => fields.text()?.into(),
        unknown => return Err(FrameError::malformed(format!("there is no form {unknown} of an id"))),
    })
}

#[inline]
fn take_name(fields: &mut Fields<'_>, name: &mut Name) -> Result<(), FrameError> {
    let bytes = fields.bytes()?;
    if bytes != name.as_str().as_bytes() {
        *name = Fields::text_of(bytes)?.into();
    }
    Ok(())
}

/// In microseconds.
#[inline]
fn put_timeout(timeout: Option<Duration>, out: &mut BytesMut) {
    if let Some(timeout) = timeout {
        put_varint(u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX), out);
    }
}

#[inline]
fn take_timeout(first: u8, fields: &mut Fields<'_>) -> Result<Option<Duration>, FrameError> {
    if first & HAS_TIMEOUT == 0 { Ok(None) } else { Ok(Some(Duration::from_micros(fields.varint()?))) }
}

#[inline]
fn put_metadata(metadata: &Metadata, out: &mut BytesMut) {
    if metadata.is_empty() {
        return;
    }
    put_varint(metadata.len() as u64, out);
    for (key, value) in metadata.iter() {
        put_bytes(key.as_bytes(), out);
        put_bytes(value.as_bytes(), out);
    }
}

#[inline(never)]
fn take_metadata(fields: &mut Fields<'_>, limits: Limits) -> Result<Metadata, FrameError> {
    let mut metadata = Metadata::new();
    let keys = fields.count()?;
    FrameError::check_keys(keys)?;
    let mut bytes = 0;
    for _ in 0..keys {
        let (key, value) = (fields.text()?, fields.text()?);
        bytes += key.len() + value.len();
        FrameError::check_metadata(bytes, limits)?;
        metadata.insert(key, value);
    }
    Ok(metadata)
}

const HAS_CODE: u8 = 1;
const HAS_STACK: u8 = 2;
const HAS_DATA: u8 = 4;

/// Appends the body of an error: what it has, name, message, code, stack, causes, and last the encoded value.
pub(super) fn put_error(error: &RemoteError, out: &mut BytesMut) {
    let flag = |has: bool, flag: u8| if has { flag } else { 0 };
    out.put_u8(
        flag(error.code.is_some(), HAS_CODE)
            | flag(error.stack.is_some(), HAS_STACK)
            | flag(error.data.is_some(), HAS_DATA),
    );
    put_bytes(error.name.as_bytes(), out);
    put_bytes(error.message.as_bytes(), out);
    for text in [&error.code, &error.stack].into_iter().flatten() {
        put_bytes(text.as_bytes(), out);
    }
    let causes = &error.chain[..error.chain.len().min(MOST_CAUSES)];
    put_varint(causes.len() as u64, out);
    for cause in causes {
        put_bytes(cause.as_bytes(), out);
    }
    if let Some(data) = &error.data {
        out.put_slice(data);
    }
}

/// The error of this body, whose memory its value shares.
pub(super) fn take_error(body: &Bytes) -> Result<RemoteError, FrameError> {
    let mut fields = Fields::new(body);
    let has = fields.byte()?;
    let mut error = RemoteError::new(fields.text()?, fields.text()?);
    if has & HAS_CODE != 0 {
        error.code = Some(fields.text()?.to_owned());
    }
    if has & HAS_STACK != 0 {
        error.stack = Some(fields.text()?.to_owned());
    }
    let causes = fields.count()?;
    if causes > MOST_CAUSES {
        return Err(FrameError::malformed(format!(
            "its error has {causes} causes, and {MOST_CAUSES} are allowed"
        )));
    }
    for _ in 0..causes {
        error.chain.push(fields.text()?.to_owned());
    }
    let rest = body.slice(body.len() - fields.left()..);
    if has & HAS_DATA != 0 {
        error.data = Some(rest);
    } else if !rest.is_empty() {
        return Err(FrameError::malformed("there are bytes after its end"));
    }
    Ok(error)
}
