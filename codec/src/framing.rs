use bytes::{Bytes, BytesMut};
use isolated_workers_core::{Body, Frame};
use tokio_util::codec::{Decoder, Encoder};

use crate::FrameError;

/// Delimits frames in a byte stream: a decoder and an encoder of [`Frame`]s.
///
/// One value serves one direction of one connection. An error of the decoder ends the stream,
/// because the start of the next frame is unknown. An error of the encoder concerns only its frame
/// and leaves the buffer unchanged.
///
/// A decoder that waits for the rest of a large frame reserves memory as bytes arrive, never at
/// once for a claimed length. Encoder and decoder return an error for a kind of frame that they do
/// not know: [`FrameError::UnknownKind`] and [`FrameError::Malformed`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not delimit frames",
    note = "use `LengthPrefixed` or `JsonLines`, or implement `Framing` for a decoder and encoder of `Frame`s"
)]
pub trait Framing:
    Decoder<Item = Frame, Error = FrameError>
    + for<'a> Encoder<&'a Frame, Error = FrameError>
    + Send
    + Unpin
    + 'static
{
    /// `true` if a frame names the number of the descriptors that travel beside it
    /// ([`Body::attachments`]), and the decoder [attaches](Body::attach) that number. Default:
    /// `false`, and a body with descriptors is refused.
    const NAMES_DESCRIPTORS: bool = false;

    /// Encodes `frame` without its body if the body comes last and unchanged. A large body then
    /// need not be copied.
    ///
    /// Returns `true` if the caller must write the body next, and `false` if the whole frame is in
    /// `out`. The default encodes the whole frame.
    ///
    /// # Errors
    /// The same as those of `encode`.
    fn encode_head(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<bool, FrameError> {
        self.encode(frame, out)?;
        Ok(false)
    }
}

/// Largest payload that is copied out of the read buffer instead of sharing its memory, in bytes.
///
/// A copy takes fewer instructions, and a small value that is kept does not keep the whole buffer
/// alive.
pub const MAX_COPIED_BYTES: usize = 1 << 10;

/// Copies a payload of up to [`MAX_COPIED_BYTES`] into `body`, which is empty.
#[inline]
pub(crate) fn copy_payload(payload: &[u8], body: &mut Body) {
    if !body.fill(payload) {
        *body = Bytes::copy_from_slice(payload).into();
    }
}

/// Largest number of causes of an error that is sent and accepted.
///
/// An empty text takes up to three bytes in a frame and 24 in memory.
pub(crate) const MAX_CAUSES: usize = 256;
