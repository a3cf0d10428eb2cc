use std::io;

use bytes::{Bytes, BytesMut};
use isolated_workers_core::Body;
use serde::Serialize;

use crate::zero_copy_bytes::offer;
use crate::{Codec, CodecError};

/// From this size on in bytes, `Bytes` that are offered are taken as they are. Below it a copy is cheaper than a piece
/// more in a vectored write.
const LARGE: usize = 64 << 10;

/// What a value is encoded into that may have large bytes: a buffer to append to, and between its bytes those that are
/// shared with the value.
///
/// [`Codec::encode_pieces`](crate::Codec::encode_pieces) fills it. [`encode_body`] does all of this:
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
    /// Appends to `buffer`, which is empty as a rule: what it has counts as encoded.
    #[inline]
    pub fn new(buffer: &'a mut BytesMut) -> Self {
        Self { buffer, shared: SharedPieces(None) }
    }

    /// The buffer that bytes are appended to. What it holds already must stay.
    #[inline]
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer
    }

    /// Appends `bytes`, as [`io::Write`] does. Those of 64 KiB or more that [`zero_copy_bytes`](crate::zero_copy_bytes)
    /// encodes at this moment become a piece of their own and are not copied.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        if bytes.len() < LARGE {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.put_large(bytes);
        }
    }

    #[cold]
    fn put_large(&mut self, bytes: &[u8]) {
        match offer::take(bytes) {
            Some(shared) => {
                self.shared.0.get_or_insert_default().taken.push((self.buffer.len(), shared));
            }
            None => self.buffer.extend_from_slice(bytes),
        }
    }

    /// What is shared, so that the buffer can be used again.
    #[inline]
    pub fn into_shared(self) -> SharedPieces {
        self.shared
    }
}

/// What [`Pieces`] have beside their buffer.
#[derive(Debug)]
pub struct SharedPieces(
    // One pointer, because there is nothing, as a rule.
    Option<Box<Taken>>,
);

#[derive(Debug, Default)]
struct Taken {
    /// Each with how much of the buffer is before it.
    taken: Vec<(usize, Bytes)>,
}

impl SharedPieces {
    /// Whether there are none, as a rule: then the value is what is in the buffer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The encoded value. `buffer` is what is in the buffer of the pieces.
    #[inline]
    pub fn into_body(self, buffer: impl Into<Body>) -> Body {
        match self.0 {
            None => buffer.into(),
            Some(taken) => taken.between(buffer.into().into_bytes()),
        }
    }
}

impl Taken {
    #[cold]
    fn between(self, mut buffer: Bytes) -> Body {
        let mut pieces = Vec::with_capacity(2 * self.taken.len() + 1);
        let mut before = 0;
        for (at, bytes) in self.taken {
            // Of a codec that has cut its buffer short comes a wrong value, and no panic.
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

/// Encodes a value as calls do: into a body of pieces, where the codec can share what is large.
///
/// ```
/// use isolated_workers_codec::{Json, encode_body};
///
/// assert_eq!(encode_body(&Json, &[1, 2])?.as_bytes(), b"[1,2]");
/// # Ok::<(), isolated_workers_codec::CodecError>(())
/// ```
///
/// # Errors
/// Those of the codec.
pub fn encode_body<C: Codec, T: Serialize + ?Sized>(codec: &C, value: &T) -> Result<Body, CodecError> {
    let mut buffer = BytesMut::new();
    let mut pieces = Pieces::new(&mut buffer);
    codec.encode_pieces(value, &mut pieces)?;
    Ok(pieces.into_shared().into_body(buffer.freeze()))
}
