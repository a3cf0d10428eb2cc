use std::fmt;

/// End of a JSON frame: 1 to 16 bytes that do not occur in JSON.
///
/// At least one of the bytes must never occur in compact JSON. These are the control characters
/// (below `0x20`) and the bytes that UTF-8 does not use (`0xC0`, `0xC1`, `0xF5` and above). The
/// delimiter is then found at the end of a frame and nowhere else.
///
/// ```
/// use isolated_workers_codec::Delimiter;
///
/// assert!(Delimiter::new(b"\0").is_ok());
/// assert!(Delimiter::new(b"\r\n--frame--\r\n").is_ok());
/// assert!(Delimiter::new(b"--frame--").is_err(), "a string may contain it");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter {
    bytes: [u8; Self::MAX_BYTES],
    len: usize,
}

impl Delimiter {
    /// Maximum length in bytes.
    pub const MAX_BYTES: usize = 16;

    /// Line feed.
    pub const NEWLINE: Self = match Self::new(b"\n") {
        Ok(delimiter) => delimiter,
        Err(_) => unreachable!(),
    };

    /// Creates a delimiter from these bytes.
    ///
    /// # Errors
    /// There are no bytes or more than 16, or JSON may contain all of them.
    pub const fn new(delimiter: &[u8]) -> Result<Self, DelimiterError> {
        let len = delimiter.len();
        if len == 0 || len > Self::MAX_BYTES {
            return Err(DelimiterError::Length(len));
        }
        let mut bytes = [0; Self::MAX_BYTES];
        let mut is_unambiguous = false;
        let mut at = 0;
        while at < len {
            bytes[at] = delimiter[at];
            is_unambiguous |= matches!(delimiter[at], ..b' ' | 0xc0 | 0xc1 | 0xf5..);
            at += 1;
        }
        if is_unambiguous { Ok(Self { bytes, len }) } else { Err(DelimiterError::Ambiguous) }
    }

    /// Returns the bytes of the delimiter.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delimiter(b\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// Error of bytes that cannot be a [`Delimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelimiterError {
    /// The number of bytes is 0 or above [`Delimiter::MAX_BYTES`].
    Length(usize),
    /// A JSON text may contain the bytes.
    Ambiguous,
}

impl fmt::Display for DelimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => {
                write!(f, "invalid delimiter of {len} bytes; use 1 to {}", Delimiter::MAX_BYTES)
            }
            Self::Ambiguous => f.write_str(
                "ambiguous delimiter: JSON may contain it; include a control character or a byte that UTF-8 does not \
                 use",
            ),
        }
    }
}

impl std::error::Error for DelimiterError {}
