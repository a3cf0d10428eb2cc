//! Fields of a binary header: varints, and bytes with a length prefix.

use bytes::{BufMut, BytesMut};

use crate::FrameError;

/// Size of the length prefix of a frame.
pub(crate) const LENGTH_BYTES: usize = 4;

/// First bytes of a frame, which are appended together: space for the length prefix, the first
/// byte, an id unless it is text, and a number.
pub(super) struct HeaderStart {
    bytes: [u8; START_BYTES],
    length: usize,
}

/// Sum of 4, 1, 17 and 10 bytes.
const START_BYTES: usize = 32;

impl HeaderStart {
    #[inline]
    pub(super) fn new(first: u8) -> Self {
        let mut bytes = [0; START_BYTES];
        bytes[LENGTH_BYTES] = first;
        Self { bytes, length: LENGTH_BYTES + 1 }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes[self.length % START_BYTES] = byte;
        self.length += 1;
    }

    /// Appends seven bits per byte, the lowest first. The highest bit is set if more bytes follow.
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
    let mut start = HeaderStart { bytes: [0; START_BYTES], length: 0 };
    start.varint(value);
    out.put_slice(start.bytes());
}

#[inline]
pub(super) fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_varint(bytes.len() as u64, out);
    out.put_slice(bytes);
}

/// Unread rest of a frame. Allocates only for bytes that are present.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    #[inline]
    pub(super) fn remaining(&self) -> usize {
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
                // The tenth byte holds one bit of 64.
                if at == 9 && *byte > 1 {
                    return Err(too_large());
                }
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 { truncated() } else { unterminated() })
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
        Self::utf8(self.bytes()?)
    }

    #[inline]
    pub(super) fn utf8(bytes: &[u8]) -> Result<&str, FrameError> {
        std::str::from_utf8(bytes).map_err(FrameError::malformed)
    }

    /// Reads the number of items that follow, each of which takes at least one byte.
    pub(super) fn count(&mut self) -> Result<usize, FrameError> {
        match usize::try_from(self.varint()?) {
            Ok(count) if count <= self.remaining() => Ok(count),
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
    FrameError::malformed("its header has a number above 64 bits")
}

#[cold]
fn unterminated() -> FrameError {
    FrameError::malformed("its header has an unterminated number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_oversized_ones_are_refused() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX / 2, u64::MAX] {
            let mut out = BytesMut::new();
            put_varint(value, &mut out);
            let mut fields = Fields::new(&out);
            assert_eq!((fields.varint().unwrap(), fields.remaining()), (value, 0));
            assert!(Fields::new(&out[..out.len() - 1]).varint().is_err());
        }
        for bytes in
            [&[0xff; 10][..], &[0x80; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(Fields::new(bytes).varint().is_err());
        }
    }

    #[test]
    fn lengths_and_counts_beyond_the_frame_are_refused() {
        assert!(Fields::new(&[5, 1, 2]).bytes().is_err());
        assert!(Fields::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).count().is_err());
        assert!(Fields::new(&[2, 0xc3, 0x28]).text().is_err());
    }
}
