use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use isolated_workers_core::Body;

use crate::zero_copy_bytes::current_bytes::{self, MIN_PIECE_BYTES};
use crate::{BodyLimit, CodecError};

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
    limit: BodyLimit,
    /// Length of the buffer at which encoding is interrupted.
    interrupt_bytes: usize,
    /// `true` if bytes were refused.
    has_refused: bool,
    /// `true` if they were refused because of `interrupt_bytes`.
    is_interrupted: bool,
}

impl<'a> Pieces<'a> {
    /// Creates pieces without a limit that append to `buffer`. Bytes already in `buffer` count as
    /// encoded.
    #[inline]
    pub fn new(buffer: &'a mut BytesMut) -> Self {
        Self {
            buffer,
            shared: SharedPieces(None),
            limit: BodyLimit::NONE,
            interrupt_bytes: usize::MAX,
            has_refused: false,
            is_interrupted: false,
        }
    }

    /// Lowers the limit. Encoding stops when the buffer would have to grow beyond it;
    /// [`check`](Self::check) applies it to the encoded value.
    #[inline]
    pub fn limit_to(&mut self, limit: BodyLimit) {
        self.limit = self.limit.min(limit);
    }

    /// Interrupts encoding once it has written this number of bytes, so that a large value can be
    /// encoded elsewhere: [`check`](Self::check) returns an
    /// [interruption](CodecError::is_interruption). Slices of 64 KiB or more do not count, because
    /// copying them takes little time. Default: never.
    #[inline]
    pub fn interrupt_at(&mut self, bytes: usize) {
        self.interrupt_bytes = bytes;
    }

    /// Returns the buffer to append to, without the limit. Bytes already in the buffer must not be
    /// changed.
    #[inline]
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer
    }

    /// Appends `bytes`, as [`io::Write`] does.
    ///
    /// Bytes of 64 KiB or more that [`zero_copy_bytes`](crate::zero_copy_bytes) is encoding become
    /// a separate piece and are not copied.
    ///
    /// # Errors
    /// The bytes exceed the limit.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < MIN_PIECE_BYTES {
            self.make_room(bytes.len())?;
            self.buffer.extend_from_slice(bytes);
            Ok(())
        } else {
            self.put_large(bytes)
        }
    }

    /// Appends a byte.
    ///
    /// # Errors
    /// The byte exceeds the limit.
    #[inline]
    pub fn put_u8(&mut self, byte: u8) -> io::Result<()> {
        self.make_room(1)?;
        self.buffer.put_u8(byte);
        Ok(())
    }

    #[cold]
    fn put_large(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check_limit(bytes.len())?;
        match current_bytes::take(bytes) {
            Some(shared) => self.shared.push(self.buffer.len(), shared),
            None => {
                self.buffer.extend_from_slice(bytes);
                self.interrupt_bytes = self.interrupt_bytes.saturating_add(bytes.len());
            }
        }
        Ok(())
    }

    /// Checks the limit if the buffer must grow. A check of each write would cost every value.
    #[inline]
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let fits = bytes <= self.buffer.capacity() - self.buffer.len();
        if fits && self.buffer.len() < self.interrupt_bytes { Ok(()) } else { self.check_room(bytes) }
    }

    #[cold]
    fn check_room(&mut self, bytes: usize) -> io::Result<()> {
        if self.buffer.len() >= self.interrupt_bytes {
            (self.has_refused, self.is_interrupted) = (true, true);
            return Err(refused());
        }
        self.check_limit(bytes)
    }

    fn check_limit(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.limit.bytes().saturating_sub(self.len()) {
            return Ok(());
        }
        self.has_refused = true;
        Err(refused())
    }

    /// Number of bytes of the encoded value so far.
    #[inline]
    fn len(&self) -> usize {
        self.buffer.len() + self.shared.bytes()
    }

    /// Checks the result of encoding a value into these pieces against the limit.
    ///
    /// # Errors
    /// `encoded` is an error, encoding was interrupted, or the value exceeds the limit.
    #[inline]
    pub fn check(&self, encoded: Result<(), CodecError>) -> Result<(), CodecError> {
        if self.has_refused || self.len() > self.limit.bytes() {
            return Err(self.refusal());
        }
        encoded
    }

    #[cold]
    fn refusal(&self) -> CodecError {
        if self.is_interrupted {
            return CodecError::interruption();
        }
        let (bytes, setting) = (self.limit.bytes(), self.limit.setting());
        CodecError::over_budget(format!("it has more than {bytes} bytes; raise `{setting}` on both sides"))
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
struct Inserts {
    pieces: Vec<(usize, Bytes)>,
    /// Number of bytes of all pieces.
    bytes: usize,
}

impl SharedPieces {
    /// Returns `true` if there are no shared pieces. Then the buffer alone is the encoded value.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn push(&mut self, at: usize, bytes: Bytes) {
        let inserts = self.0.get_or_insert_default();
        inserts.bytes += bytes.len();
        inserts.pieces.push((at, bytes));
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |inserts| inserts.bytes)
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
        let mut pieces = Vec::with_capacity(2 * self.pieces.len() + 1);
        let mut before = 0;
        for (at, bytes) in self.pieces {
            // If a codec has truncated its buffer, the value is wrong, but nothing panics.
            pieces.push(buffer.split_to(at.saturating_sub(before).min(buffer.len())));
            pieces.push(bytes);
            before = at;
        }
        pieces.push(buffer);
        Body::from_pieces(pieces)
    }
}

/// Creates the error of bytes over a limit. Not of the kind `Interrupted`, which writers try again.
fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

impl io::Write for Pieces<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put_slice(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put_slice(bytes)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
