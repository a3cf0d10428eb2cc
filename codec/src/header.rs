//! What stands before the body of a binary frame.

use std::borrow::Cow;
use std::time::Duration;

use isolated_workers_core::{Body, Frame, Metadata, Name, RemoteError, TxId};
use serde::{Deserialize, Serialize};

use crate::FrameError;

/// A tuple, not a map, so that formats which write the names of fields do not write them here.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header<'a>(
    u8,
    #[serde(borrow)] Id<'a>,
    /// The message's name; only requests have one.
    #[serde(borrow)]
    Cow<'a, str>,
    /// The timeout in microseconds; 0 is none.
    u64,
    Vec<(Cow<'a, str>, Cow<'a, str>)>,
);

#[derive(Serialize, Deserialize)]
enum Id<'a> {
    Number(u64),
    Uuid([u8; 16]),
    Text(#[serde(borrow)] Cow<'a, str>),
}

const REQUEST: u8 = 0;
const ONEWAY: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const CANCEL: u8 = 4;
const PING: u8 = 5;
const PONG: u8 = 6;
const GOODBYE: u8 = 7;

impl<'a> Header<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Self {
        let bare = |kind, id| Self(kind, id, Cow::Borrowed(""), 0, Vec::new());
        match frame {
            Frame::Request { id, name, metadata, oneway, timeout, .. } => Self(
                if *oneway { ONEWAY } else { REQUEST },
                id.into(),
                Cow::Borrowed(name.as_str()),
                timeout.map_or(0, micros),
                pairs(metadata),
            ),
            Frame::Reply { id, metadata, .. } => {
                Self(REPLY, id.into(), Cow::Borrowed(""), 0, pairs(metadata))
            }
            Frame::Error { id, .. } => bare(ERROR, id.into()),
            Frame::Cancel { id } => bare(CANCEL, id.into()),
            Frame::Ping => bare(PING, Id::Number(0)),
            Frame::Pong => bare(PONG, Id::Number(0)),
            Frame::Goodbye { stay } => {
                Self(GOODBYE, Id::Number(0), Cow::Borrowed(""), stay.map_or(0, micros), Vec::new())
            }
            _ => unreachable!("a frame of a kind that core added and this crate does not know"),
        }
    }

    /// The frame of this header, its body still empty.
    pub(crate) fn into_frame(self) -> Result<Frame, FrameError> {
        let Self(kind, id, name, micros, pairs) = self;
        let id = TxId::from(id);
        let name = Name::from(&*name);
        let body = Body::empty();
        let metadata: Metadata = pairs.into_iter().collect();
        let timeout = (micros > 0).then(|| Duration::from_micros(micros));
        Ok(match kind {
            REQUEST | ONEWAY => Frame::Request { id, name, body, metadata, oneway: kind == ONEWAY, timeout },
            REPLY => Frame::Reply { id, name, body, metadata },
            ERROR => Frame::Error { id, name, error: Box::new(RemoteError::new("", "")) },
            CANCEL => Frame::Cancel { id },
            PING => Frame::Ping,
            PONG => Frame::Pong,
            GOODBYE => Frame::Goodbye { stay: timeout },
            unknown => return Err(FrameError::malformed(format!("there is no kind {unknown}"))),
        })
    }
}

/// Rounded up, because 0 would say that there is none.
fn micros(limit: Duration) -> u64 {
    u64::try_from(limit.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn pairs(metadata: &Metadata) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    metadata.iter().map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value))).collect()
}

impl<'a> From<&'a TxId> for Id<'a> {
    fn from(id: &'a TxId) -> Self {
        if let Some(number) = id.as_number() {
            Self::Number(number)
        } else if let Some(uuid) = id.as_uuid_bytes() {
            Self::Uuid(*uuid)
        } else {
            Self::Text(Cow::Owned(id.to_string()))
        }
    }
}

impl From<Id<'_>> for TxId {
    fn from(id: Id<'_>) -> Self {
        match id {
            Id::Number(number) => number.into(),
            Id::Uuid(uuid) => uuid.into(),
            Id::Text(text) => (&*text).into(),
        }
    }
}

/// The body of an error frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorBody<'a>(
    /// Name and message.
    Cow<'a, str>,
    Cow<'a, str>,
    /// Code and stack.
    Option<Cow<'a, str>>,
    Option<Cow<'a, str>>,
    /// The texts of the causes.
    Cow<'a, [String]>,
    /// The error value, encoded.
    Option<Cow<'a, [u8]>>,
);

impl<'a> From<&'a RemoteError> for ErrorBody<'a> {
    fn from(error: &'a RemoteError) -> Self {
        Self(
            Cow::Borrowed(&error.name),
            Cow::Borrowed(&error.message),
            error.code.as_deref().map(Cow::Borrowed),
            error.stack.as_deref().map(Cow::Borrowed),
            Cow::Borrowed(&error.chain),
            error.data.as_deref().map(Cow::Borrowed),
        )
    }
}

impl From<ErrorBody<'_>> for RemoteError {
    fn from(ErrorBody(name, message, code, stack, chain, data): ErrorBody<'_>) -> Self {
        let mut error = Self::new(name, message);
        error.code = code.map(Cow::into_owned);
        error.stack = stack.map(Cow::into_owned);
        error.chain = chain.into_owned();
        error.data = data.map(|data| data.into_owned().into());
        error
    }
}
