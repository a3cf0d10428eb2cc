//! Codec that encrypts each frame of `Postcard` with a random nonce, and authenticates its position
//! in the stream.

use bytes::{Buf, BufMut, BytesMut};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use isolated_workers::codec::{Codec, CodecError, FrameError, Framing, LengthPrefixed, Postcard};
use isolated_workers::protocol::{Frame, Limits};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

#[derive(Clone)]
pub(crate) struct Sealed(pub(crate) Key);

impl Codec for Sealed {
    const ID: &'static str = "sealed+postcard";
    type Framing = SealedFrames;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        Postcard.encode(value, out)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        Postcard.decode(bytes)
    }

    fn framing(&self, limits: Limits) -> SealedFrames {
        let cipher = XChaCha20Poly1305::new(&self.0);
        SealedFrames { cipher, inner: Postcard.framing(limits), max_bytes: limits.frame + 64, frames: 0 }
    }
}

/// Framing with a 4-byte length, a random nonce, and an encrypted frame of `inner`.
///
/// The frame number is authenticated too, so decryption fails if a frame is dropped, repeated or
/// reordered.
pub(crate) struct SealedFrames {
    cipher: XChaCha20Poly1305,
    inner: LengthPrefixed,
    /// Maximum size of nonce, ciphertext and tag.
    max_bytes: usize,
    /// Number of frames so far.
    frames: u64,
}

const NONCE_BYTES: usize = 24;

impl Encoder<&Frame> for SealedFrames {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let (mut plain, nonce) = (BytesMut::new(), XNonce::generate());
        self.inner.encode(frame, &mut plain)?;
        let payload = Payload { msg: &plain, aad: &self.frames.to_be_bytes() };
        let sealed = self
            .cipher
            .encrypt(&nonce, payload)
            .map_err(|_| FrameError::malformed("the frame is too large to encrypt"))?;
        self.frames += 1;
        out.put_u32((NONCE_BYTES + sealed.len()) as u32);
        out.put_slice(&nonce);
        out.put_slice(&sealed);
        Ok(())
    }
}

impl Decoder for SealedFrames {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = buffer.first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(NONCE_BYTES..=self.max_bytes).contains(&length) {
            let text = format!("a sealed frame cannot have {length} bytes; use the same codec on both sides");
            return Err(FrameError::malformed(text));
        }
        let Some(frame) = buffer.get(4..4 + length) else { return Ok(None) };
        let (nonce, msg) = frame.split_first_chunk::<NONCE_BYTES>().expect("a frame with a nonce");
        let payload = Payload { msg, aad: &self.frames.to_be_bytes() };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload);
        let plain = plain.map_err(|_| FrameError::malformed("sealed with another key, or modified"))?;
        self.frames += 1;
        buffer.advance(4 + length);
        self.inner.decode(&mut plain[..].into())
    }
}

impl Framing for SealedFrames {}
