use std::{fmt, io};

use isolated_workers_core::{BoxError, Limits, Metadata};

/// Error of reading or writing a frame.
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame, or a part of it, is over its limit.
    TooLarge {
        /// Thing that is too large: `the frame`.
        what: &'static str,
        /// Size in bytes, or the part of it that is known.
        bytes: usize,
        /// Limit in bytes.
        limit: usize,
        /// Setting to raise: `Limits::frame`.
        setting: &'static str,
    },
    /// The bytes that were read are not a frame, or a frame to be written cannot be encoded.
    Malformed(BoxError),
    /// The framing has no encoding for frames of this kind.
    UnknownKind,
    /// The connection carries no descriptors, and the frame has some.
    NoDescriptors,
    /// The stream failed.
    Io(io::Error),
}

impl FrameError {
    /// Creates the error of a malformed frame with this cause.
    pub fn malformed(cause: impl Into<BoxError>) -> Self {
        Self::Malformed(cause.into())
    }

    /// Refuses a frame with more than [`Metadata::MAX_KEYS`] metadata keys.
    pub(crate) fn check_keys(keys: usize) -> Result<(), Self> {
        if keys <= Metadata::MAX_KEYS {
            return Ok(());
        }
        let text = format!("it has {keys} metadata keys, over the limit of {}", Metadata::MAX_KEYS);
        Err(Self::malformed(text))
    }

    /// Refuses a frame of `bytes` if it is over [`Limits::frame`].
    pub(crate) fn check(bytes: usize, limits: Limits) -> Result<(), Self> {
        Self::check_part("the frame", bytes, limits.frame, "Limits::frame")
    }

    /// Refuses a frame with this many bytes of metadata if they are over [`Limits::metadata`].
    pub(crate) fn check_metadata(bytes: usize, limits: Limits) -> Result<(), Self> {
        Self::check_part("its metadata", bytes, limits.metadata, "Limits::metadata")
    }

    /// Refuses a frame if a part of it is over `limit`, which `setting` sets.
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
                "{what} has at least {bytes} bytes, over the limit of {limit}; raise `{setting}` on both sides"
            ),
            Self::Malformed(cause) => write!(f, "the frame is malformed: {cause}"),
            Self::UnknownKind => f.write_str("the framing cannot encode frames of this kind"),
            Self::NoDescriptors => f.write_str(
                "the connection carries no descriptors; use `UnixSocket`, `SocketPair` or `InMemory`, and call \
                 `.descriptors()` on the builder of the worker",
            ),
            Self::Io(error) => write!(f, "the stream failed: {error}"),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooLarge { .. } | Self::UnknownKind | Self::NoDescriptors => None,
            Self::Malformed(cause) => cause.source(),
            Self::Io(error) => error.source(),
        }
    }
}
