mod detached;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

use self::detached::Detached;
use crate::{Codec, CodecError, LengthPrefixed, Pieces};

/// [CBOR](https://cbor.io): binary, and as general as JSON, for peers in other languages.
///
/// It describes itself, so that `#[serde(flatten)]`, `untagged` and `skip_serializing_if` work and a field may be added,
/// and it has what JSON lacks: bytes, NaN and the infinities. It cannot tell `Some(None)` and `Some(())` from `None`.
///
/// Bytes travel as byte strings where their type says that they are bytes, as `bytes::Bytes` and
/// `serde_bytes::ByteBuf` do, and so do the `Vec<u8>` arguments of a `#[service]`. Any other `Vec<u8>`, such as a field of a
/// struct, is an array of numbers to serde, of one or two bytes each: a megabyte takes 25 ms to decode instead of 50 µs.
/// `#[serde(with = "serde_bytes")]` on the field makes it a byte string.
///
/// Nothing can borrow from what is decoded: a `&str` or `&[u8]` in a type is refused.
///
/// Values that are passed over, of fields that a struct does not know, may nest 128 levels deep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cbor;

/// For what no budget counts. That of a value is smaller, as a rule.
const RECURSION: usize = 128;

const NULL: u8 = 0xf6;

impl Codec for Cbor {
    const ID: &'static str = "cbor";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        ciborium::into_writer(value, out.writer()).map_err(unwritten)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        ciborium::into_writer(value, out).map_err(unwritten)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // A missing payload is one of nothing.
        let mut rest = if bytes.is_empty() { &[NULL] } else { bytes };
        let Detached { value, .. } = ciborium::de::from_reader_with_recursion_limit(&mut rest, RECURSION)
            .map_err(|error| CodecError::new(reason(error)))?;
        // Ciborium itself passes over them.
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::new(format!("{} bytes are left over behind the value", rest.len())))
        }
    }

    fn framing(&self, limits: Limits) -> LengthPrefixed {
        LengthPrefixed::new(limits)
    }
}

#[cold]
fn unwritten(error: ciborium::ser::Error<std::io::Error>) -> CodecError {
    match error {
        ciborium::ser::Error::Value(reason) => CodecError::new(reason),
        ciborium::ser::Error::Io(error) => CodecError::new(error),
    }
}

/// Ciborium's errors print as its enum.
#[cold]
fn reason(error: ciborium::de::Error<std::io::Error>) -> String {
    use ciborium::de::Error;
    match error {
        Error::Io(_) => "the bytes end within the value".to_owned(),
        Error::Syntax(at) => format!("the bytes are no CBOR from byte {at} on"),
        Error::Semantic(Some(at), reason) => format!("{reason}, at byte {at}"),
        Error::Semantic(None, reason) => reason,
        Error::RecursionLimitExceeded => {
            format!("it nests deeper than the {RECURSION} levels that are allowed in CBOR")
        }
    }
}
