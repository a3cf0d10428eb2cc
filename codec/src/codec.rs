use bytes::BytesMut;
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

use crate::{BodyLimit, CodecError, Framing, Pieces};

/// Encodes values to bytes, decodes them, and chooses the framing of the stream.
///
/// Both sides of a connection must use the same codec. The handshake compares [`ID`](Self::ID).
///
/// A custom codec needs `encode`, `decode` and a framing. [`LengthPrefixed`](crate::LengthPrefixed)
/// suits every binary format:
///
/// ```
/// use isolated_workers_codec::{Codec, CodecError, Json, LengthPrefixed};
/// use isolated_workers_core::Limits;
/// use bytes::BytesMut;
/// use serde::{Deserialize, Serialize};
///
/// /// JSON in frames with a length prefix instead of lines.
/// #[derive(Clone, Debug, Default)]
/// struct LengthJson;
///
/// impl Codec for LengthJson {
///     const ID: &'static str = "length-json";
///     type Framing = LengthPrefixed;
///
///     fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
///         Json.encode(value, out)
///     }
///
///     fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
///         Json.decode(bytes)
///     }
///
///     fn framing(&self, limits: Limits) -> Self::Framing {
///         LengthPrefixed::new(limits)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    note = "use `Json`, `Cbor` or `Postcard`, or implement `Codec` for your own type"
)]
pub trait Codec: Clone + Send + Sync + Unpin + 'static {
    /// Identifier that the handshake compares: `json`. Change it whenever the format changes.
    const ID: &'static str;

    /// Framing of the streams that carry values of this codec.
    type Framing: Framing;

    /// Appends the encoded `value` to `out`.
    ///
    /// # Errors
    /// The format cannot represent the value. `out` may then hold a part of it.
    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError>;

    /// Appends the encoded `value` to `out`, without copying its large
    /// [`zero_copy_bytes`](crate::zero_copy_bytes).
    ///
    /// Calls use this method. [`Pieces`] refuses bytes over its [`BodyLimit`], so that encoding a
    /// value that is too large ends there. The default is [`encode`](Self::encode), which encodes
    /// the whole value and copies the bytes. A codec may implement it if it writes bytes unchanged
    /// and does not modify what it has written. [`Pieces`] implements
    /// [`io::Write`](std::io::Write):
    ///
    /// ```
    /// # use isolated_workers_codec::{Codec, CodecError, LengthPrefixed, Pieces, encode_body, zero_copy_bytes};
    /// # use isolated_workers_core::Limits;
    /// # use bytes::{BufMut, Bytes, BytesMut};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Clone)]
    /// # struct OwnCbor;
    /// impl Codec for OwnCbor {
    ///     fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
    ///         ciborium::into_writer(value, out.writer()).map_err(|error| CodecError::new(error.to_string()))
    ///     }
    ///
    ///     fn encode_pieces<T: Serialize + ?Sized>(
    ///         &self,
    ///         value: &T,
    ///         out: &mut Pieces<'_>,
    ///     ) -> Result<(), CodecError> {
    ///         ciborium::into_writer(value, out).map_err(|error| CodecError::new(error.to_string()))
    ///     }
    ///     // …
    /// #   const ID: &'static str = "own-cbor";
    /// #   type Framing = LengthPrefixed;
    /// #   fn decode<'de, T: Deserialize<'de>>(&self, _: &'de [u8]) -> Result<T, CodecError> {
    /// #       unimplemented!()
    /// #   }
    /// #   fn framing(&self, limits: Limits) -> LengthPrefixed {
    /// #       LengthPrefixed::new(limits)
    /// #   }
    /// }
    /// # #[derive(Serialize)]
    /// # struct Picture(#[serde(with = "zero_copy_bytes")] Bytes);
    ///
    /// let pixels = Bytes::from(vec![7; 100_000]);
    /// let body = encode_body(&OwnCbor, &Picture(pixels.clone()))?;
    /// assert_eq!(body.pieces()[1].as_ptr(), pixels.as_ptr());
    /// # Ok::<(), CodecError>(())
    /// ```
    ///
    /// # Errors
    /// The format cannot represent the value, or it exceeds the limit of `out`.
    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        self.encode(value, out.buffer())
    }

    /// Decodes a value from all of `bytes`, which are empty for a message without a payload.
    ///
    /// [`decode_within`](crate::decode_within) limits the memory and the nesting of the value, so
    /// this method need not. It must limit its own recursion, for example over ignored values.
    ///
    /// # Errors
    /// The bytes are not a value of this type, or bytes follow the value.
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError>;

    /// Returns the size at which encoding a body for a connection with these limits stops. Default:
    /// [`Limits::frame`].
    fn body_limit(&self, limits: Limits) -> BodyLimit {
        BodyLimit::of_frame(limits)
    }

    /// Creates the framing for one direction of one connection.
    fn framing(&self, limits: Limits) -> Self::Framing;
}
