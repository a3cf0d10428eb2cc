//! The pieces that a binary header is made of: varints, and bytes with their length in front.

use bytes::{BufMut, BytesMut};

use crate::FrameError;

/// A number in seven bits a byte, the lowest first, of which the highest bit says that more follow; with what stands
/// before it, so that it is appended at once.
pub(super) struct Varint {
    bytes: [u8; 12],
    length: usize,
}

impl Varint {
    #[inline]
    pub(super) fn after(before: [u8; 2]) -> Self {
        let mut bytes = [0; 12];
        bytes[..2].copy_from_slice(&before);
        Self { bytes, length: 2 }
    }

    /// Once: there is room for ten bytes.
    #[inline]
    pub(super) fn push(&mut self, mut value: u64) {
        for byte in &mut self.bytes[self.length..] {
            self.length += 1;
            if value < 0x80 {
                *byte = value as u8;
                return;
            }
            *byte = value as u8 | 0x80;
            value >>= 7;
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[inline]
pub(super) fn put_varint(value: u64, out: &mut BytesMut) {
    let mut varint = Varint { bytes: [0; 12], length: 0 };
    varint.push(value);
    out.put_slice(varint.bytes());
}

#[inline]
pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    if let Ok(length @ ..0x80) = u8::try_from(bytes.len()) {
        out.put_u8(length);
    } else {
        put_varint(bytes.len() as u64, out);
    }
    out.put_slice(bytes);
}

/// What is still to be read of a frame. Nothing is allocated before it has been seen that the bytes are there.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    #[inline]
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, FrameError> {
        let (byte, rest) = self.0.split_first().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, FrameError> {
        // Most are of one byte.
        match self.0 {
            [byte @ ..0x80, rest @ ..] => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, FrameError> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if bits << shift >> shift != bits {
                return Err(FrameError::malformed("a number in its header is too large"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(FrameError::malformed("a number in its header does not end"))
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let length = usize::try_from(self.varint()?).map_err(FrameError::malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, FrameError> {
        std::str::from_utf8(self.bytes()?).map_err(FrameError::malformed)
    }

    /// How many things follow, each of which takes a byte at least.
    #[inline]
    pub(super) fn count(&mut self) -> Result<usize, FrameError> {
        match usize::try_from(self.varint()?) {
            Ok(count) if count <= self.left() => Ok(count),
            _ => Err(truncated()),
        }
    }
}

#[cold]
fn truncated() -> FrameError {
    FrameError::malformed("it ends within its header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_and_one_that_is_too_large_does_not() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX / 2, u64::MAX] {
            let mut out = BytesMut::new();
            put_varint(value, &mut out);
            let mut fields = Fields::new(&out);
            assert_eq!((fields.varint().unwrap(), fields.left()), (value, 0));
            assert!(Fields::new(&out[..out.len() - 1]).varint().is_err());
        }
        for bytes in
            [&[0xff; 10][..], &[0x80; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(Fields::new(bytes).varint().is_err());
        }
    }

    #[test]
    fn a_length_or_count_that_lies_is_refused() {
        assert!(Fields::new(&[5, 1, 2]).bytes().is_err());
        assert!(Fields::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).count().is_err());
        assert!(Fields::new(&[2, 0xc3, 0x28]).text().is_err());
    }
}
