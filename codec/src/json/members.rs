use super::scan;
use crate::FrameError;

/// A key or a value as it stands in a line.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) json: &'a str,
    /// Whether it is a string in which every character stands for itself.
    is_plain: bool,
}

impl<'a> Raw<'a> {
    /// What is between the quotes of a string, where that is all of it.
    #[inline]
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.is_plain { self.json.get(1..self.json.len() - 1) } else { None }
    }
}

/// The members of the object that a line is, each as it stands there: its key, and its value, of which only the end is
/// looked for. Whoever reads a value finds out whether it is one, so that a payload is read once and not twice.
pub(super) struct Members<'a> {
    line: &'a str,
    at: usize,
    is_first: bool,
}

impl<'a> Members<'a> {
    /// # Errors
    /// The line does not begin as an object does.
    pub(super) fn of(line: &'a str) -> Result<Self, FrameError> {
        let mut members = Self { line, at: 0, is_first: true };
        members.expect(b'{')?;
        Ok(members)
    }

    /// The next one, until the object and with it the line has ended.
    ///
    /// # Errors
    /// There is neither.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(Raw<'a>, Raw<'a>)>, FrameError> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return if self.peek().is_none() { Ok(None) } else { Err(self.expected("its end")) };
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

    /// What comes behind white space.
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
    fn value(&mut self) -> Result<Raw<'a>, FrameError> {
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

    /// What has been passed since.
    #[inline]
    fn raw(&self, start: usize, is_plain: bool) -> Raw<'a> {
        Raw { json: &self.line[start..self.at], is_plain }
    }

    /// Passes the rest of a string, behind its first quote. Returns whether every character in it stands for itself.
    #[inline]
    fn string(&mut self) -> Result<bool, FrameError> {
        let mut is_plain = true;
        while let Some(found) = self.line.as_bytes().get(self.at..).and_then(special) {
            self.at += found;
            match self.line.as_bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                // With what it escapes.
                b'\\' => (self.at, is_plain) = (self.at + 2, false),
                _ => return Err(self.expected("the rest of a string")),
            }
        }
        self.at = self.line.len();
        Err(self.expected("the rest of a string"))
    }

    /// Passes the rest of an array or object, behind its first bracket.
    fn nested(&mut self) -> Result<(), FrameError> {
        let rest = &self.line.as_bytes()[self.at..];
        let length = scan::nested(rest);
        self.at += length.unwrap_or(rest.len());
        length.map(drop).ok_or_else(|| self.expected("a bracket"))
    }

    /// Passes a number or a word.
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
            Some(byte) => {
                format!("it has `{}` at byte {}, where {what} belongs", byte.escape_ascii(), self.at)
            }
            None => format!("it ends where {what} belongs"),
        })
    }
}

/// Where the first byte is that does not stand for itself in a string: a quote, a backslash, or a control character, which
/// has no place there. By eight bytes at a time: most strings are shorter than what a longer step takes to begin.
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    // The highest bit of each byte that is below `limit`, and of some above the first of those.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = equal(b'"') | equal(b'\\') | below(word, u64::from(b' '));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    Some(words.len() * 8 + found)
}
