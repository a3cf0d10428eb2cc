use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{Codec, CodecError, LengthPrefixed, Pieces};

/// [Postcard](https://postcard.jamesmunns.com): small and fast, between two Rust programs.
///
/// The format does not describe itself: `#[serde(flatten)]`, `#[serde(untagged)]` and `skip_serializing_if` compile
/// and then fail or decode wrongly, and both sides must be built from the same types. `RoundTrip`, behind the feature
/// `testing`, finds such types. [`Json`](crate::Json) has none
/// of these limits.
///
/// Bytes are copied once where their type says that they are bytes, as `bytes::Bytes` and `serde_bytes::ByteBuf` do, and
/// so are the `Vec<u8>` arguments of a `#[service]`. Large `Bytes` are not copied at all where
/// [`zero_copy_bytes`](crate::zero_copy_bytes) says so. Any other `Vec<u8>`, such as a field of a struct, is a sequence of
/// numbers to serde: a megabyte takes 1.7 ms to decode instead of 40 µs.
/// `#[serde(with = "serde_bytes")]` on the field makes it bytes, in the same form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const ID: &'static str = "postcard";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, Append(out)).map_err(readable)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, Put(out)).map_err(readable)
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = T::deserialize(&mut deserializer).map_err(readable)?;
        let rest = deserializer.finalize().map_err(readable)?;
        // Postcard itself passes over them.
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::new(format!("{} bytes are left over behind the value", rest.len())))
        }
    }

    fn framing(&self, limits: Limits) -> Self::Framing {
        LengthPrefixed::new(limits)
    }
}

/// Says more than postcard does of what goes wrong with types that it does not fit.
#[cold]
fn readable(error: postcard::Error) -> CodecError {
    match error {
        postcard::Error::SerdeDeCustom => CodecError::without_reason("the type refuses them"),
        postcard::Error::SerdeSerCustom => CodecError::new("the type refuses to be encoded"),
        postcard::Error::WontImplement => CodecError::new(
            "the type asks what the bytes are, which postcard cannot tell: `flatten`, `untagged` and `tag` of serde need \
             `Json` or `Cbor`",
        ),
        postcard::Error::SerializeSeqLengthUnknown => CodecError::new(
            "the length of a sequence or map must be known before its elements: `flatten` of serde needs `Json` or `Cbor`",
        ),
        other => CodecError::new(other),
    }
}

/// Lets postcard write at the end of a buffer.
struct Append<'a>(&'a mut BytesMut);

impl Flavor for Append<'_> {
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

/// Lets postcard write to pieces.
struct Put<'a, 'b>(&'a mut Pieces<'b>);

impl Flavor for Put<'_, '_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.buffer().put_u8(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.put_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
