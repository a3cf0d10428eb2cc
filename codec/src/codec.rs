use std::fmt;

use bytes::BytesMut;
use isolated_workers_core::{BoxError, Budget, Limits};
use serde::{Deserialize, Serialize};

use crate::budget::Limit;
use crate::{Framing, Pieces};

/// Turns values into bytes and back, and delimits frames of them in a stream.
///
/// Both sides of a connection must use the same one; the handshake compares [`ID`](Self::ID). A codec of your own
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
    note = "use `Json`, `Cbor` or `Postcard`, or implement `Codec` for a type of your own"
)]
pub trait Codec: Clone + Send + Sync + Unpin + 'static {
    /// What the handshake compares; change it with the format.
    const ID: &'static str;

    /// How frames are delimited in the stream.
    type Framing: Framing;

    /// Appends the encoded `value` to `out`.
    ///
    /// # Errors
    /// The value has no form in this format. `out` may hold a part of it then.
    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError>;

    /// [`encode`](Self::encode) for calls, whose large `Bytes` need not be copied: see
    /// [`zero_copy_bytes`](crate::zero_copy_bytes). The default copies them.
    ///
    /// A codec that writes bytes as they are, and changes nothing of what it has written, can have them shared. It
    /// writes to the [`Pieces`] as to any other writer:
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
    /// As those of `encode`.
    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        self.encode(value, out.buffer())
    }

    /// Decodes a value from exactly these bytes; a message without a payload has none.
    ///
    /// What the value may take is not this function's concern: [`decode_within`](crate::decode_within) counts it. A
    /// recursion of the format's own, as over values that are passed over, must have a limit.
    ///
    /// # Errors
    /// The bytes are not such a value, or more than one.
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError>;

    /// A framing for one direction of one connection.
    fn framing(&self, limits: Limits) -> Self::Framing;
}

/// Error of encoding or decoding a value.
#[derive(Debug)]
pub struct CodecError(
    // One pointer, because it is in the result of every value.
    Box<Details>,
);

#[derive(Debug)]
struct Details {
    cause: BoxError,
    /// `true` if the budget of the value was exceeded.
    over_budget: bool,
    /// `true` if the type gave a reason that the library of the format has dropped.
    lost_reason: bool,
}

impl CodecError {
    /// Wraps an error of the library of the format, or a text.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(Box::new(Details { cause: cause.into(), over_budget: false, lost_reason: false }))
    }

    /// Stands for the reason that a type gave if the library of the format has dropped it.
    /// [`with_lost_reason`](Self::with_lost_reason) puts it back.
    #[cfg(feature = "postcard")]
    pub(crate) fn without_reason(fallback: &'static str) -> Self {
        Self(Box::new(Details { cause: fallback.into(), over_budget: false, lost_reason: true }))
    }

    /// Replaces the text with `reason` if the library has dropped it.
    pub(crate) fn with_lost_reason(self, reason: String) -> Self {
        if self.0.lost_reason { Self::new(reason) } else { self }
    }

    pub(crate) fn over_budget(limit: Limit, budget: Budget) -> Self {
        let cause = limit.text(budget).into();
        Self(Box::new(Details { cause, over_budget: true, lost_reason: false }))
    }

    /// Returns `true` if decoding was stopped because the value exceeds its budget.
    ///
    /// The bytes may be valid then.
    pub fn is_over_budget(&self) -> bool {
        self.0.over_budget
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.source()
    }
}
