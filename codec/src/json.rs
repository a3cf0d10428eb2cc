mod bounded;
mod delimiter;
mod error;
mod line;
mod lines;
mod members;
mod nothing;
mod scan;
mod wire;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

pub use self::delimiter::{Delimiter, DelimiterError};
pub use self::lines::JsonLines;
use self::nothing::Nothing;
use crate::{Codec, CodecError};

/// JSON, one object a line: the default, because a person can read along and a peer in any language can speak it.
///
/// Every `f64` comes back bit for bit but NaN and the infinities, which JSON does not have; nor has it a way to tell
/// `Some(None)` and `Some(())` from `None`. Bytes travel as arrays of
/// numbers, whatever their type, at up to four bytes each and some 10 ns to decode each: for payloads of bytes use
/// [`Postcard`](crate::Postcard) or [`Cbor`](crate::Cbor). Metadata comes out sorted by its keys, because the members of an
/// object have no order.
///
/// A message without arguments is `null`; `{}` and a missing payload are taken for it, too, and all three for a struct
/// whose every field may be missing.
///
/// A value may nest 127 levels deep, also where [`Limits::depth`] is higher.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    const ID: &'static str = "json";
    type Framing = JsonLines;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        serde_json::to_writer(out.writer(), value).map_err(CodecError::new)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // A missing payload is one of nothing.
        let json = if bytes.is_empty() { b"null" } else { bytes };
        // A text that is known to be one takes less to read. What is not may still have its bytes where nobody looks.
        let value = match std::str::from_utf8(json) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(json),
        };
        value.or_else(|error| {
            let nothing = if Nothing::is(bytes) { T::deserialize(Nothing).ok() } else { None };
            nothing.ok_or_else(|| CodecError::new(error))
        })
    }

    fn framing(&self, limits: Limits) -> JsonLines {
        JsonLines::new(limits)
    }
}
