use std::fmt;

use bytes::BytesMut;
use isolated_workers_core::{BoxError, Limits};
use serde::{Deserialize, Serialize};

use crate::Framing;

/// Turns values into bytes and back, and delimits frames of them in a stream.
///
/// Both sides of a connection must use the same one; the handshake compares [`NAME`](Self::NAME). A codec of your own
/// needs the two functions and a framing; [`LengthPrefixed`](crate::LengthPrefixed) fits every binary format:
///
/// ```
/// use isolated_workers_codec::{Codec, CodecError, Json, LengthPrefixed};
/// use isolated_workers_core::Limits;
/// use bytes::BytesMut;
/// use serde::{Deserialize, Serialize};
///
/// /// JSON in frames with a length, instead of lines.
/// #[derive(Clone, Debug, Default)]
/// struct LengthJson;
///
/// impl Codec for LengthJson {
///     const NAME: &'static str = "length-json";
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
    note = "use `Json` or `Postcard`, or implement `Codec` for a type of your own"
)]
pub trait Codec: Clone + Send + Sync + Unpin + 'static {
    /// What the handshake compares; change it with the format.
    const NAME: &'static str;

    /// How frames are delimited in the stream.
    type Framing: Framing;

    /// Appends the encoded `value` to `out`.
    ///
    /// # Errors
    /// The value has no form in this format. `out` may hold a part of it then.
    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError>;

    /// Decodes a value from exactly these bytes; a message without a payload has none.
    ///
    /// # Errors
    /// The bytes are not such a value, or more than one.
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError>;

    /// A framing for one direction of one connection.
    fn framing(&self, limits: Limits) -> Self::Framing;
}

/// Why a value could not be encoded or decoded.
#[derive(Debug)]
pub struct CodecError(BoxError);

impl CodecError {
    /// An error of the format's library, or a text.
    pub fn new(why: impl Into<BoxError>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
