use std::{fmt, io};

use bytes::{Bytes, BytesMut};
use isolated_workers_core::{Body, BoxError, Frame, Limits, Metadata};
use tokio_util::codec::{Decoder, Encoder};

/// How frames are delimited in a stream: a decoder and an encoder of [`Frame`]s.
///
/// One value serves one direction of one connection. An error of the decoder ends the stream, because nobody knows
/// where the next frame begins; an error of the encoder concerns its frame alone, and leaves the buffer as it was.
///
/// A decoder that waits for a large frame reserves room as bytes arrive, never at once for what a length claims.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not delimit frames",
    note = "use `LengthPrefixed` or `JsonLines`, or implement `Framing` for a decoder and encoder of `Frame`s"
)]
pub trait Framing:
    Decoder<Item = Frame, Error = FrameError>
    + for<'a> Encoder<&'a Frame, Error = FrameError>
    + Send
    + Unpin
    + 'static
{
    /// Encodes all of `frame` but its body, where that comes last and as it is; `true` says that the caller has to
    /// write the body next. With it a large body is not copied. The default encodes everything.
    ///
    /// # Errors
    /// As those of `encode`.
    fn encode_head(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<bool, FrameError> {
        self.encode(frame, out)?;
        Ok(false)
    }
}

/// A payload of up to this size is copied, so that its memory is its own: it takes fewer instructions than a share of the
/// buffer, and a small value that is kept does not keep the buffer.
pub(crate) const COPIED: usize = 1 << 10;

/// Makes the empty `body` a copy of a payload that is no longer than that.
#[inline]
pub(crate) fn copy(payload: &[u8], body: &mut Body) {
    if !body.fill(payload) {
        *body = Bytes::copy_from_slice(payload).into();
    }
}

/// More causes of an error are not sent, and not taken: an empty text is a byte or three there and 24 in memory.
pub(crate) const MOST_CAUSES: usize = 256;

/// Why a frame could not be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// It, or a part of it, is larger than is allowed.
    TooLarge {
        /// What is too large: `the frame`.
        what: &'static str,
        /// Its size in bytes, as far as it is known.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
        /// What to raise: `Limits::frame`.
        setting: &'static str,
    },
    /// Its bytes are not a frame.
    Malformed(BoxError),
    /// The stream failed.
    Io(io::Error),
}

impl FrameError {
    /// The frame is not one, for this reason.
    pub fn malformed(why: impl Into<BoxError>) -> Self {
        Self::Malformed(why.into())
    }

    /// Refuses a frame with this many keys of metadata where that is too many.
    pub(crate) fn check_keys(keys: usize) -> Result<(), Self> {
        if keys <= Metadata::MAX_KEYS {
            return Ok(());
        }
        Err(Self::malformed(format!(
            "it has {keys} keys of metadata, and {} are allowed",
            Metadata::MAX_KEYS
        )))
    }

    /// Refuses a frame of `bytes` where `limits` allow less.
    pub(crate) fn check(bytes: usize, limits: Limits) -> Result<(), Self> {
        Self::check_part("the frame", bytes, limits.frame, "Limits::frame")
    }

    /// Refuses a frame with this many bytes of metadata where `limits` allow less.
    pub(crate) fn check_metadata(bytes: usize, limits: Limits) -> Result<(), Self> {
        Self::check_part("its metadata", bytes, limits.metadata, "Limits::metadata")
    }

    /// Refuses a frame with a part that takes more than the `limit`, which `setting` sets.
    pub(crate) fn check_part(
        what: &'static str,
        bytes: usize,
        limit: usize,
        setting: &'static str,
    ) -> Result<(), Self> {
        if bytes > limit { Err(Self::TooLarge { what, bytes, limit, setting }) } else { Ok(()) }
    }
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { what, bytes, limit, setting } => write!(
                f,
                "{what} takes {bytes} bytes or more, and {limit} are allowed; raise `{setting}` on both sides"
            ),
            Self::Malformed(why) => write!(f, "the frame is malformed: {why}"),
            Self::Io(error) => write!(f, "the stream failed: {error}"),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Malformed(why) => why.source(),
            Self::Io(error) => error.source(),
        }
    }
}
