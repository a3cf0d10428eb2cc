//! Header of a binary frame: the bytes before its body.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::{Frame, GoAway, Limits, Metadata, Name, Role, Streams, TxId};

use super::fields::{Fields, HeaderStart, LENGTH_BYTES, put_bytes, put_varint};
use crate::FrameError;

const REQUEST: u8 = 0;
const ONEWAY: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const CANCEL: u8 = 4;
const PING: u8 = 5;
const PONG: u8 = 6;
const GO_AWAY: u8 = 7;
const CREDIT: u8 = 8;
const ITEM: u8 = 9;
const ITEMS_END: u8 = 10;
const ITEM_CREDIT: u8 = 11;
/// Not a kind: a byte with the number of descriptors follows, and then a frame that has them.
const WITH_DESCRIPTORS: u8 = 12;

/// Bits of the first byte that hold the kind. The other bits are flags.
const KIND_MASK: u8 = 0x0f;
const HAS_TIMEOUT: u8 = 0x10;
const HAS_METADATA: u8 = 0x20;

/// Bits of the first byte of a go-away that hold what it asks for, and their values.
const GO_AWAY_MASK: u8 = 0xc0;
const DRAIN: u8 = 0x40;
const PREPARE_DETACH: u8 = 0x80;
const DETACH: u8 = 0xc0;

/// Bits of the first byte of a request with streams.
const CALLER_SENDS_ITEMS: u8 = 0x40;
const CALLEE_SENDS_ITEMS: u8 = 0x80;

/// Bit of the first byte of an item or its credit, if the sender is the caller.
const FROM_CALLER: u8 = 0x40;

const ID_NUMBER: u8 = 0;
const ID_UUID: u8 = 1;
const ID_TEXT: u8 = 2;

/// Appends space for the length, and the header of `frame`.
#[inline]
pub(super) fn encode(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Request { id, request } => {
            let (name, timeout, metadata) = (request.name().as_bytes(), frame.timeout(), request.metadata());
            let kind = if request.is_oneway() { ONEWAY } else { REQUEST };
            let first = first_byte(kind | stream_bits(request.streams()), timeout, metadata);
            let mut start = HeaderStart::new(first);
            put_id(id, &mut start, out);
            start.varint(name.len() as u64);
            out.put_slice(start.bytes());
            out.put_slice(name);
            put_timeout(timeout, out);
            put_metadata(metadata, out);
        }
        Frame::Reply { id, response, .. } => {
            let mut start = HeaderStart::new(first_byte(REPLY, None, response.metadata()));
            put_id(id, &mut start, out);
            out.put_slice(start.bytes());
            put_metadata(response.metadata(), out);
        }
        Frame::Error { id, .. } => put_kind(ERROR, Some(id), None, out),
        Frame::Cancel { id } => put_kind(CANCEL, Some(id), None, out),
        Frame::Ping => put_kind(PING, None, None, out),
        Frame::Pong => put_kind(PONG, None, None, out),
        Frame::GoAway(GoAway::End) => put_kind(GO_AWAY, None, None, out),
        Frame::GoAway(GoAway::Linger(linger)) => put_kind(GO_AWAY, None, Some(*linger), out),
        Frame::GoAway(GoAway::Drain) => put_kind(GO_AWAY | DRAIN, None, None, out),
        Frame::GoAway(GoAway::PrepareDetach) => put_kind(GO_AWAY | PREPARE_DETACH, None, None, out),
        Frame::GoAway(GoAway::Detach) => put_kind(GO_AWAY | DETACH, None, None, out),
        Frame::Credit { bytes } => {
            put_kind(CREDIT, None, None, out);
            put_varint(*bytes, out);
        }
        Frame::Item { id, from, .. } => put_kind(ITEM | from_bit(*from), Some(id), None, out),
        Frame::ItemsEnd { id } => put_kind(ITEMS_END, Some(id), None, out),
        Frame::ItemCredit { id, from, bytes } => {
            put_kind(ITEM_CREDIT | from_bit(*from), Some(id), None, out);
            put_varint(*bytes, out);
        }
        _ => return Err(FrameError::UnknownKind),
    }
    Ok(())
}

/// Inserts the number of descriptors into the header that starts at `start` with its length.
#[cold]
pub(super) fn insert_descriptors(count: u8, start: usize, out: &mut BytesMut) {
    let header = out.split_off(start + LENGTH_BYTES);
    out.put_slice(&[WITH_DESCRIPTORS, count]);
    out.put_slice(&header);
}

/// Returns `true` if a number of descriptors follows this first byte.
pub(super) fn names_descriptors(first: u8) -> bool {
    first & KIND_MASK == WITH_DESCRIPTORS
}

#[inline]
fn stream_bits(streams: Streams) -> u8 {
    let caller = if streams.from_caller { CALLER_SENDS_ITEMS } else { 0 };
    let callee = if streams.from_callee { CALLEE_SENDS_ITEMS } else { 0 };
    caller | callee
}

/// Decodes the streams of a request from its first byte.
#[inline]
pub(super) fn streams(first: u8) -> Streams {
    Streams { from_caller: first & CALLER_SENDS_ITEMS != 0, from_callee: first & CALLEE_SENDS_ITEMS != 0 }
}

fn from_bit(role: Role) -> u8 {
    if role == Role::Caller { FROM_CALLER } else { 0 }
}

/// Decodes the sender of an item or its credit from its first byte.
pub(super) fn sender(first: u8) -> Role {
    if first & FROM_CALLER == 0 { Role::Callee } else { Role::Caller }
}

fn put_kind(kind: u8, id: Option<&TxId>, timeout: Option<Duration>, out: &mut BytesMut) {
    let mut start = HeaderStart::new(first_byte(kind, timeout, &Metadata::new()));
    if let Some(id) = id {
        put_id(id, &mut start, out);
    }
    out.put_slice(start.bytes());
    put_timeout(timeout, out);
}

/// Decodes what a go-away asks for, from its first byte and its timeout.
pub(super) fn go_away(first: u8, timeout: Option<Duration>) -> GoAway {
    match first & GO_AWAY_MASK {
        DRAIN => GoAway::Drain,
        PREPARE_DETACH => GoAway::PrepareDetach,
        DETACH => GoAway::Detach,
        _ => timeout.map_or(GoAway::End, GoAway::Linger),
    }
}

/// Header of a frame. Fields that its kind does not have are empty.
pub(super) struct Header {
    pub(super) kind: FrameKind,
    pub(super) id: TxId,
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: Metadata,
}

#[derive(Clone, Copy)]
pub(super) enum FrameKind {
    Request,
    Oneway,
    Reply,
    Error,
    Cancel,
    Ping,
    Pong,
    GoAway,
    Credit,
    Item,
    ItemsEnd,
    ItemCredit,
    WithDescriptors,
}

impl FrameKind {
    #[inline]
    fn from_first_byte(first: u8) -> Result<Self, FrameError> {
        Ok(match first & KIND_MASK {
            REQUEST => Self::Request,
            ONEWAY => Self::Oneway,
            REPLY => Self::Reply,
            ERROR => Self::Error,
            CANCEL => Self::Cancel,
            PING => Self::Ping,
            PONG => Self::Pong,
            GO_AWAY => Self::GoAway,
            CREDIT => Self::Credit,
            ITEM => Self::Item,
            ITEMS_END => Self::ItemsEnd,
            ITEM_CREDIT => Self::ItemCredit,
            WITH_DESCRIPTORS => Self::WithDescriptors,
            unknown => return Err(unknown_kind(unknown)),
        })
    }

    /// Returns `true` for the kinds that may have metadata.
    pub(super) fn has_metadata(self) -> bool {
        matches!(self, Self::Request | Self::Oneway | Self::Reply)
    }

    fn has_id(self) -> bool {
        !matches!(self, Self::Ping | Self::Pong | Self::GoAway | Self::Credit | Self::WithDescriptors)
    }
}

/// Reads a header. Sets `name` to the name of a request; if `name` is already the same, nothing is
/// allocated.
#[inline]
pub(super) fn decode(fields: &mut Fields<'_>, limits: Limits, name: &mut Name) -> Result<Header, FrameError> {
    let first = fields.byte()?;
    let kind = FrameKind::from_first_byte(first)?;
    let has_id = kind.has_id();
    let is_request = matches!(kind, FrameKind::Request | FrameKind::Oneway);
    let id = if has_id { take_id(fields)? } else { 0.into() };
    if is_request {
        take_name(fields, name)?;
    }
    Ok(Header {
        kind,
        id,
        timeout: if is_request || matches!(kind, FrameKind::GoAway) {
            take_timeout(first, fields)?
        } else {
            None
        },
        metadata: if kind.has_metadata() && first & HAS_METADATA != 0 {
            take_metadata(fields, limits)?
        } else {
            Metadata::new()
        },
    })
}

#[cold]
fn unknown_kind(unknown: u8) -> FrameError {
    FrameError::malformed(format!("it has the unknown kind {unknown}"))
}

fn first_byte(kind: u8, timeout: Option<Duration>, metadata: &Metadata) -> u8 {
    let timeout = if timeout.is_some() { HAS_TIMEOUT } else { 0 };
    let metadata = if metadata.is_empty() { 0 } else { HAS_METADATA };
    kind | timeout | metadata
}

/// Adds an id to `start`. If the id is text, moves `start` to `out` and appends the text there.
#[inline]
fn put_id(id: &TxId, start: &mut HeaderStart, out: &mut BytesMut) {
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
        unknown => return Err(FrameError::malformed(format!("it has an id of the unknown form {unknown}"))),
    })
}

#[inline]
fn take_name(fields: &mut Fields<'_>, name: &mut Name) -> Result<(), FrameError> {
    let bytes = fields.bytes()?;
    if bytes != name.as_str().as_bytes() {
        *name = Fields::utf8(bytes)?.into();
    }
    Ok(())
}

/// Appends a timeout in microseconds.
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
