use super::scan;
use crate::FrameError;

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
    pub(super) fn next(&mut self) -> Result<Option<(&'a str, &'a str)>, FrameError> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return if self.peek().is_none() { Ok(None) } else { Err(self.expected("its end")) };
        }
        if !std::mem::take(&mut self.is_first) {
            self.expect(b',')?;
        }
        self.expect(b'"')?;
        let key = self.at - 1;
        let key = &self.line[key..self.string()?];
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

    fn value(&mut self) -> Result<&'a str, FrameError> {
        let first = self.peek();
        let start = self.at;
        self.at += 1;
        let end = match first {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar(start)?,
        };
        Ok(&self.line[start..end])
    }

    /// The end of the string of which the first quote has been passed.
    #[inline]
    fn string(&mut self) -> Result<usize, FrameError> {
        while let Some(found) = self.line.as_bytes().get(self.at..).and_then(special) {
            self.at += found;
            match self.line.as_bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(self.at);
                }
                // With what it escapes.
                b'\\' => self.at += 2,
                _ => return Err(self.expected("the rest of a string")),
            }
        }
        self.at = self.line.len();
        Err(self.expected("the rest of a string"))
    }

    /// The end of the array or object of which the first bracket has been passed.
    fn nested(&mut self) -> Result<usize, FrameError> {
        let length = scan::nested(&self.line.as_bytes()[self.at..]);
        self.at += length.unwrap_or(self.line.len() - self.at);
        if length.is_none() { Err(self.expected("a bracket")) } else { Ok(self.at) }
    }

    /// The end of a number or a word.
    fn scalar(&mut self, start: usize) -> Result<usize, FrameError> {
        let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        let length = self.line.as_bytes()[start.min(self.line.len())..]
            .iter()
            .take_while(|byte| !is_end(byte))
            .count();
        self.at = start + length;
        if length == 0 { Err(self.expected("a value")) } else { Ok(self.at) }
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
