use super::scan;
use crate::FrameError;

/// Key or value of a line, not yet decoded.
#[derive(Clone, Copy)]
pub(super) struct RawJson<'a> {
    pub(super) json: &'a str,
    /// `true` if it is a string without escapes.
    is_plain: bool,
}

impl<'a> RawJson<'a> {
    /// Returns the text of a string without escapes.
    #[inline]
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.is_plain { self.json.get(1..self.json.len() - 1) } else { None }
    }
}

/// Reader of the members of an object, which is a whole line.
///
/// It finds the end of a value but does not check the value. Decoding checks it, so a payload is
/// parsed only once.
pub(super) struct Members<'a> {
    line: &'a str,
    at: usize,
    is_first: bool,
}

impl<'a> Members<'a> {
    /// # Errors
    /// The line does not start with `{`.
    pub(super) fn new(line: &'a str) -> Result<Self, FrameError> {
        let mut members = Self { line, at: 0, is_first: true };
        members.expect(b'{')?;
        Ok(members)
    }

    /// Reads the key and the value of the next member. Returns `None` at the end of the object.
    ///
    /// # Errors
    /// The line has no further member here, or does not end with the object.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(RawJson<'a>, RawJson<'a>)>, FrameError> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return if self.peek().is_none() { Ok(None) } else { Err(self.expected("the end of the line")) };
        }
        if !std::mem::take(&mut self.is_first) {
            self.expect(b',')?;
        }
        self.expect(b'"')?;
        let key = self.at - 1;
        let is_plain = self.string()?;
        let key = self.raw(key, is_plain);
        self.expect(b':')?;
        Ok(Some((key, self.value()?)))
    }

    /// Skips white space and returns the next byte.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.line.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                byte => return byte.copied(),
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), FrameError> {
        if self.peek() != Some(byte) {
            return Err(self.expected(&format!("`{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn value(&mut self) -> Result<RawJson<'a>, FrameError> {
        let first = self.peek();
        let start = self.at;
        let is_plain = match first {
            Some(b'"') => {
                self.at += 1;
                self.string()?
            }
            Some(b'{' | b'[') => {
                self.at += 1;
                self.nested()?;
                false
            }
            _ => {
                self.scalar()?;
                false
            }
        };
        Ok(self.raw(start, is_plain))
    }

    /// Returns the bytes from `start` to here.
    #[inline]
    fn raw(&self, start: usize, is_plain: bool) -> RawJson<'a> {
        RawJson { json: &self.line[start..self.at], is_plain }
    }

    /// Skips the rest of a string after its first quote. Returns `true` if it has no escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, FrameError> {
        let mut is_plain = true;
        while let Some(found) = self.line.as_bytes().get(self.at..).and_then(scan::special_byte) {
            self.at += found;
            match self.line.as_bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                // Also skips the escaped byte.
                b'\\' => (self.at, is_plain) = (self.at + 2, false),
                _ => return Err(self.expected("the rest of a string")),
            }
        }
        self.at = self.line.len();
        Err(self.expected("the rest of a string"))
    }

    /// Skips the rest of an array or object after its first bracket.
    fn nested(&mut self) -> Result<(), FrameError> {
        let rest = &self.line.as_bytes()[self.at..];
        let length = scan::nested_length(rest);
        self.at += length.unwrap_or(rest.len());
        length.map(drop).ok_or_else(|| self.expected("a closing bracket"))
    }

    /// Skips a number or a word.
    fn scalar(&mut self) -> Result<(), FrameError> {
        let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let rest = &self.line.as_bytes()[self.at..];
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        self.at += length;
        if length == 0 { Err(self.expected("a value")) } else { Ok(()) }
    }

    #[cold]
    fn expected(&self, what: &str) -> FrameError {
        FrameError::malformed(match self.line.as_bytes().get(self.at) {
            Some(byte) => format!("expected {what} at byte {}, found `{}`", self.at, byte.escape_ascii()),
            None => format!("expected {what}, found the end of the line"),
        })
    }
}
