mod probe;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{Codec, CodecError, LengthPrefixed, Pieces};

/// [Postcard](https://postcard.jamesmunns.com): a small and fast format between two Rust programs.
///
/// The format does not describe itself, so both sides must be built from the same types.
/// `#[serde(flatten)]`, `#[serde(untagged)]` and `skip_serializing_if` compile, but fail or decode
/// to wrong values. `RoundTrip`, behind the feature `testing`, finds such types. `Json` has none of
/// these limits.
///
/// Bytes are copied once if their type says that they are bytes: `bytes::Bytes`,
/// `serde_bytes::ByteBuf`, and `Vec<u8>` arguments and replies of a `#[service]`. Large `Bytes`
/// with [`zero_copy_bytes`](crate::zero_copy_bytes) are not copied at all. Any other `Vec<u8>`,
/// such as a field of a struct, is encoded as a sequence of numbers: a megabyte takes 1.7 ms to
/// decode instead of 40 µs. Add `#[serde(with = "isolated_workers::codec::byte_vec")]` to the field
/// to make it bytes; the encoding is the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const ID: &'static str = "postcard";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, BufferWriter(out)).map_err(|error| unencodable(error, value))
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, PiecesWriter(out)).map_err(|error| unencodable(error, value))
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = T::deserialize(&mut deserializer).map_err(explained)?;
        let rest = deserializer.finalize().map_err(explained)?;
        // Postcard itself accepts bytes after the value.
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::new(format!("{} unexpected bytes after the value", rest.len())))
        }
    }

    fn framing(&self, limits: Limits) -> Self::Framing {
        LengthPrefixed::new(limits)
    }
}

/// Explains an error of encoding `value`. Postcard drops the reason that a type gives.
#[cold]
fn unencodable<T: Serialize + ?Sized>(error: postcard::Error, value: &T) -> CodecError {
    match error {
        postcard::Error::SerdeSerCustom => match probe::reason(value) {
            Some(reason) => CodecError::new(reason),
            None => CodecError::new("the type refuses to be encoded"),
        },
        postcard::Error::SerializeSeqLengthUnknown => {
            CodecError::new("a sequence or map has no length before its elements")
                .with_advice("use `Json` or `Cbor` for `flatten` of serde")
        }
        other => CodecError::new(other),
    }
}

/// Explains the errors of types that postcard cannot carry.
#[cold]
fn explained(error: postcard::Error) -> CodecError {
    match error {
        postcard::Error::SerdeDeCustom => CodecError::without_reason("the type refuses the bytes"),
        postcard::Error::WontImplement => {
            CodecError::new("the type asks for the form of its bytes, which postcard does not store")
                .with_advice("use `Json` or `Cbor` for `flatten`, `untagged` and `tag` of serde")
        }
        other => CodecError::new(other),
    }
}

/// Output of postcard that appends to a buffer.
struct BufferWriter<'a>(&'a mut BytesMut);

impl Flavor for BufferWriter<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.put_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Output of postcard that appends to pieces.
struct PiecesWriter<'a, 'b>(&'a mut Pieces<'b>);

impl Flavor for PiecesWriter<'_, '_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.put_slice(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
