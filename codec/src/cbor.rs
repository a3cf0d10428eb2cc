mod lifetime;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

use self::lifetime::Unborrowed;
use crate::{Codec, CodecError, LengthPrefixed, Pieces, budget};

/// [CBOR](https://cbor.io): a binary format as general as JSON, for peers in other languages.
///
/// The format describes itself: `#[serde(flatten)]`, `untagged` and `skip_serializing_if` work, and
/// fields may be added. Unlike JSON it has bytes, NaN and the infinities. It cannot distinguish
/// `Some(None)` and `Some(())` from `None`.
///
/// Bytes are encoded as byte strings if their type says so: `bytes::Bytes`, `serde_bytes::ByteBuf`
/// and `Vec<u8>` arguments of a `#[service]`. Any other `Vec<u8>`, such as a field of a struct, is
/// encoded as an array of numbers of one or two bytes each: a megabyte takes 25 ms to decode
/// instead of 50 µs. Add `#[serde(with = "isolated_workers::codec::byte_vec")]` to the field to get
/// a byte string.
///
/// A decoded value cannot borrow: types with a `&str` or `&[u8]` are refused.
///
/// [`Limits::depth`] limits the nesting of a value that comes from a peer. This includes values of
/// unknown fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cbor;

/// Maximum nesting depth, tags included, with any budget and without one. A budget refuses the last
/// level first, with its own error.
const MAX_DEPTH: usize = Limits::MAX_DEPTH as usize + 1;

const NULL: u8 = 0xf6;

impl Codec for Cbor {
    const ID: &'static str = "cbor";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        ciborium::into_writer(value, out.writer()).map_err(encode_error)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        ciborium::into_writer(value, out).map_err(encode_error)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // A missing payload is `null`.
        let mut rest = if bytes.is_empty() { &[NULL] } else { bytes };
        let Unborrowed { value, .. } =
            ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).map_err(decode_error)?;
        // Ciborium itself accepts bytes after the value.
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::new(format!("{} unexpected bytes after the value", rest.len())))
        }
    }

    fn framing(&self, limits: Limits) -> LengthPrefixed {
        LengthPrefixed::new(limits)
    }
}

#[cold]
fn encode_error(error: ciborium::ser::Error<std::io::Error>) -> CodecError {
    match error {
        ciborium::ser::Error::Value(cause) => CodecError::new(cause),
        ciborium::ser::Error::Io(error) => CodecError::new(error),
    }
}

/// Describes ciborium's errors, whose `Display` prints the enum.
#[cold]
fn decode_error(error: ciborium::de::Error<std::io::Error>) -> CodecError {
    use ciborium::de::Error;
    CodecError::of_type(match error {
        Error::RecursionLimitExceeded => return budget::deeper_than_any_budget(),
        Error::Io(_) => "the bytes end within the value".to_owned(),
        Error::Syntax(at) => format!("invalid CBOR at byte {at}"),
        Error::Semantic(Some(at), cause) => format!("{cause}, at byte {at}"),
        Error::Semantic(None, cause) => cause,
    })
}
