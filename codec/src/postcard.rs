use bytes::{BufMut, BytesMut};
use isolated_workers_core::Limits;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{Codec, CodecError, LengthPrefixed};

/// [Postcard](https://postcard.jamesmunns.com): small and fast, between two Rust programs.
///
/// The format does not describe itself: `#[serde(flatten)]`, `#[serde(untagged)]` and `skip_serializing_if` compile
/// and then fail or decode wrongly, and both sides must be built from the same types. [`Json`](crate::Json) has none
/// of these limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl Codec for Postcard {
    const NAME: &'static str = "postcard";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, Append(out)).map_err(CodecError::new)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        let (value, rest) = postcard::take_from_bytes(bytes).map_err(CodecError::new)?;
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
