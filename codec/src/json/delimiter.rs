use std::fmt;

/// What ends a frame of text: 1 to 16 bytes that no JSON text has in it.
///
/// One of its bytes at least must be one that compact JSON never holds: a control character (below `0x20`) or a byte
/// that UTF-8 does not use (`0xC0`, `0xC1`, `0xF5` and above). So it is found where the text ends, and nowhere else.
///
/// ```
/// use isolated_workers_codec::Delimiter;
///
/// assert!(Delimiter::new(b"\0").is_ok());
/// assert!(Delimiter::new(b"\r\n--frame--\r\n").is_ok());
/// assert!(Delimiter::new(b"--frame--").is_err(), "a string may hold it");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delimiter {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

impl Delimiter {
    /// The most bytes that a delimiter has.
    pub const LONGEST: usize = 16;

    /// A line feed.
    pub const NEWLINE: Self = match Self::new(b"\n") {
        Ok(delimiter) => delimiter,
        Err(_) => unreachable!(),
    };

    /// Ends frames with these bytes.
    ///
    /// # Errors
    /// There are none or more than 16 of them, or JSON may hold them all.
    pub const fn new(delimiter: &[u8]) -> Result<Self, DelimiterError> {
        let len = delimiter.len();
        if len == 0 || len > Self::LONGEST {
            return Err(DelimiterError::Length(len));
        }
        let mut bytes = [0; Self::LONGEST];
        let mut sound = false;
        let mut at = 0;
        while at < len {
            bytes[at] = delimiter[at];
            sound |= matches!(delimiter[at], ..b' ' | 0xc0 | 0xc1 | 0xf5..);
            at += 1;
        }
        if sound { Ok(Self { bytes, len }) } else { Err(DelimiterError::Ambiguous) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delimiter(b\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// Why bytes cannot be a [`Delimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelimiterError {
    /// There are so many of them.
    Length(usize),
    /// A string in JSON may hold them.
    Ambiguous,
}

impl fmt::Display for DelimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => {
                write!(f, "a delimiter of {len} bytes; it must have 1 to {}", Delimiter::LONGEST)
            }
            Self::Ambiguous => f.write_str(
                "the delimiter may be a part of a frame; it must have a control character in it, or a byte that UTF-8 \
                 does not use",
            ),
        }
    }
}

impl std::error::Error for DelimiterError {}
