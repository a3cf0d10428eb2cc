use std::io;

use bytes::{Bytes, BytesMut};
use isolated_workers_core::Body;

use crate::zero_copy_bytes::current_bytes::{self, MIN_PIECE_BYTES};

/// Buffer for an encoded value, with large bytes of the value shared instead of copied.
///
/// [`Codec::encode_pieces`](crate::Codec::encode_pieces) writes to it.
/// [`encode_body`](crate::encode_body) does all of the following:
///
/// ```
/// use bytes::BytesMut;
/// use isolated_workers_codec::{Codec, Pieces, Postcard};
///
/// let mut buffer = BytesMut::new();
/// let mut pieces = Pieces::new(&mut buffer);
/// Postcard.encode_pieces("text", &mut pieces)?;
/// let shared = pieces.into_shared();
/// let body = shared.into_body(buffer.split().freeze());
/// assert_eq!(body.as_bytes(), b"\x04text");
/// # Ok::<(), isolated_workers_codec::CodecError>(())
/// ```
#[derive(Debug)]
pub struct Pieces<'a> {
    buffer: &'a mut BytesMut,
    shared: SharedPieces,
}

impl<'a> Pieces<'a> {
    /// Creates pieces that append to `buffer`. Bytes already in `buffer` count as encoded.
    #[inline]
    pub fn new(buffer: &'a mut BytesMut) -> Self {
        Self { buffer, shared: SharedPieces(None) }
    }

    /// Returns the buffer to append to. Bytes already in the buffer must not be changed.
    #[inline]
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer
    }

    /// Appends `bytes`, as [`io::Write`] does.
    ///
    /// Bytes of 64 KiB or more that [`zero_copy_bytes`](crate::zero_copy_bytes) is encoding become
    /// a separate piece and are not copied.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if bytes.len() < MIN_PIECE_BYTES {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.put_large(bytes);
        }
    }

    #[cold]
    fn put_large(&mut self, bytes: &[u8]) {
        match current_bytes::take(bytes) {
            Some(shared) => {
                self.shared.0.get_or_insert_default().0.push((self.buffer.len(), shared));
            }
            None => self.buffer.extend_from_slice(bytes),
        }
    }

    /// Returns the shared pieces, so that the buffer can be used again.
    #[inline]
    pub fn into_shared(self) -> SharedPieces {
        self.shared
    }
}

/// Shared part of [`Pieces`], without the buffer.
#[derive(Debug)]
pub struct SharedPieces(
    // One pointer, because most values have no shared pieces.
    Option<Box<Inserts>>,
);

/// Shared bytes, each with the number of buffer bytes that precede it.
#[derive(Debug, Default)]
struct Inserts(Vec<(usize, Bytes)>);

impl SharedPieces {
    /// Returns `true` if there are no shared pieces. Then the buffer alone is the encoded value.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the encoded value. `buffer` holds the bytes of the buffer of the [`Pieces`].
    #[inline]
    pub fn into_body(self, buffer: impl Into<Body>) -> Body {
        match self.0 {
            None => buffer.into(),
            Some(inserts) => inserts.into_body(buffer.into().into_bytes()),
        }
    }
}

impl Inserts {
    #[cold]
    fn into_body(self, mut buffer: Bytes) -> Body {
        let mut pieces = Vec::with_capacity(2 * self.0.len() + 1);
        let mut before = 0;
        for (at, bytes) in self.0 {
            // If a codec has truncated its buffer, the value is wrong, but nothing panics.
            pieces.push(buffer.split_to(at.saturating_sub(before).min(buffer.len())));
            pieces.push(bytes);
            before = at;
        }
        pieces.push(buffer);
        Body::from_pieces(pieces)
    }
}

impl io::Write for Pieces<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_slice(bytes);
        Ok(())
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
