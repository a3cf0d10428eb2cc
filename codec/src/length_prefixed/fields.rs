//! The pieces that a binary header is made of: varints, and bytes with their length in front.

use bytes::{BufMut, BytesMut};

use super::LENGTH;
use crate::FrameError;

/// The bytes that a frame begins with, which are appended at once: room for its length, its first byte, an id that is no
/// text and a number.
pub(super) struct Start {
    bytes: [u8; ROOM],
    length: usize,
}

/// 4, 1, 17 and 10 bytes.
const ROOM: usize = 32;

impl Start {
    #[inline]
    pub(super) fn new(first: u8) -> Self {
        let mut bytes = [0; ROOM];
        bytes[LENGTH] = first;
        Self { bytes, length: LENGTH + 1 }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes[self.length % ROOM] = byte;
        self.length += 1;
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    #[inline]
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[inline]
pub(super) fn put_varint(value: u64, out: &mut BytesMut) {
    let mut start = Start { bytes: [0; ROOM], length: 0 };
    start.varint(value);
    out.put_slice(start.bytes());
}

#[inline]
pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_varint(bytes.len() as u64, out);
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

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, FrameError> {
        let mut value = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                // The tenth byte has room for one bit only.
                if at == 9 && *byte > 1 {
                    return Err(too_large());
                }
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 { truncated() } else { endless() })
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
        Self::text_of(self.bytes()?)
    }

    #[inline]
    pub(super) fn text_of(bytes: &[u8]) -> Result<&str, FrameError> {
        std::str::from_utf8(bytes).map_err(FrameError::malformed)
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

#[cold]
fn too_large() -> FrameError {
    FrameError::malformed("a number in its header is too large")
}

#[cold]
fn endless() -> FrameError {
    FrameError::malformed("a number in its header does not end")
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
