//! The pieces that a binary header is made of: varints, and bytes with their length in front.

use bytes::{BufMut, BytesMut};

use crate::FrameError;

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn put_varint(mut value: u64, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_varint(bytes.len() as u64, out);
    out.put_slice(bytes);
}

/// What is still to be read of a frame. Nothing is allocated before it has been seen that the bytes are there.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, FrameError> {
        let (byte, rest) = self.0.split_first().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn varint(&mut self) -> Result<u64, FrameError> {
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

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let length = usize::try_from(self.varint()?).map_err(FrameError::malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, FrameError> {
        std::str::from_utf8(self.bytes()?).map_err(FrameError::malformed)
    }

    /// How many things follow, each of which takes a byte at least.
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
