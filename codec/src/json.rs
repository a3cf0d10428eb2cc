mod bounded;
mod delimiter;
mod error_payload;
mod frame_decoder;
mod frame_encoder;
mod json_lines;
mod line;
mod members;
mod nesting;
mod payload;
mod scan;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

pub use self::delimiter::{Delimiter, DelimiterError};
pub use self::json_lines::JsonLines;
use crate::{Codec, CodecError, Pieces};

/// JSON, one object per line. The default: it is readable, and peers in any language can use it.
///
/// Every finite `f64` is decoded to the same bits. JSON has no NaN and no infinities, and it cannot
/// distinguish `Some(None)` and `Some(())` from `None`. Metadata is sorted by key, because the
/// members of an object have no order.
///
/// Bytes are base64 text if [`byte_vec`](crate::byte_vec) or
/// [`zero_copy_bytes`](crate::zero_copy_bytes) encodes them: arguments and replies of a
/// `#[service]` of the types `Vec<u8>` and `bytes::Bytes`, and fields with the attribute. All other
/// bytes are arrays of numbers: up to four bytes for each, and eight times as long to decode.
///
/// A message without arguments is encoded as `null`. Decoding also accepts `{}` and a missing
/// payload for it, and all three for a struct without required fields.
///
/// [`Limits::depth`] limits the nesting of a value that comes from a peer.
/// [`decode`](Codec::decode) alone accepts 127 levels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    const ID: &'static str = "json";
    type Framing = JsonLines;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        serde_json::to_writer(out.writer(), value).map_err(CodecError::new)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        serde_json::to_writer(out, value).map_err(CodecError::new)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        match payload::decode(bytes) {
            Ok(value) => Ok(value),
            Err(error) => Err(nesting::explained(error, bytes)),
        }
    }

    fn framing(&self, limits: Limits) -> JsonLines {
        JsonLines::new(limits)
    }
}
