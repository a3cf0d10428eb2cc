//! A codec of one's own: whole frames of another codec, sealed with XChaCha20-Poly1305, where what carries them is not
//! trusted. The key is in a file that only this user can read; worker and host name it by its path alone.
//!
//! `cargo run --example custom_codec`

use std::io::Write;

use bytes::{Buf, BufMut, BytesMut};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use isolated_workers::{
    Codec, CodecError, Frame, FrameError, Framing, LengthPrefixed, Limits, Postcard, prelude::*,
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

#[derive(Clone)]
pub(crate) struct Sealed(pub(crate) Key);

impl Codec for Sealed {
    const NAME: &'static str = "sealed+postcard";
    type Framing = SealedFrames;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        Postcard.encode(value, out)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        Postcard.decode(bytes)
    }

    fn framing(&self, limits: Limits) -> SealedFrames {
        let cipher = XChaCha20Poly1305::new(&self.0);
        SealedFrames { cipher, inner: Postcard.framing(limits), most: limits.frame + 64, frames: 0 }
    }
}

/// A length, a nonce, which is random and so never comes twice, and one frame of `inner`. It is sealed with its number
/// in the stream, so that none can be left out, repeated or moved.
pub(crate) struct SealedFrames {
    cipher: XChaCha20Poly1305,
    inner: LengthPrefixed,
    most: usize,
    frames: u64,
}

const LENGTH: usize = 4;
const NONCE: usize = 24;

impl Encoder<&Frame> for SealedFrames {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let (mut plain, nonce) = (BytesMut::new(), XNonce::generate());
        self.inner.encode(frame, &mut plain)?;
        let payload = Payload { msg: &plain, aad: &self.frames.to_be_bytes() };
        let sealed =
            self.cipher.encrypt(&nonce, payload).map_err(|_| FrameError::malformed("it is too large"))?;
        self.frames += 1;
        out.put_u32((NONCE + sealed.len()) as u32);
        out.put_slice(&nonce);
        out.put_slice(&sealed);
        Ok(())
    }
}

impl Decoder for SealedFrames {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(NONCE..=self.most).contains(&length) {
            return Err(FrameError::malformed(format!(
                "{length} bytes are no sealed frame; the key may be another"
            )));
        }
        let Some(frame) = buffer.get(LENGTH..LENGTH + length) else { return Ok(None) };
        let (nonce, msg) = frame.split_first_chunk::<NONCE>().expect("it is as long as a nonce at least");
        let payload = Payload { msg, aad: &self.frames.to_be_bytes() };
        let opened = self.cipher.decrypt(&XNonce::from(*nonce), payload);
        let opened =
            opened.map_err(|_| FrameError::malformed("it was sealed with another key, or changed"))?;
        self.frames += 1;
        buffer.advance(LENGTH + length);
        self.inner.decode(&mut opened[..].into())
    }
}

impl Framing for SealedFrames {}

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Sum;

impl Calculator for Sum {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        let path = std::env::args().nth(1).expect("the host tells the file of the key");
        let key = Sealed(Key::try_from(&std::fs::read(path)?[..])?);
        return Ok(serve(Sum.into_service()).codec(key).await?);
    }
    let key = Key::generate();
    // Only its owner can read a temporary file, and it is gone at the end of its scope.
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&key)?;
    for (key, whose) in [(key, "the same key"), (Key::generate(), "another key")] {
        let program = Program::current_exe()?.arg(file.path());
        let worker = Worker::builder(program).codec(Sealed(key)).spawn().await?;
        let sum = CalculatorClient::new(worker.clone()).add(2, 3).await;
        println!("with {whose}: {:?}", sum.map_err(|error| error.to_string()));
        let _ = worker.close().await;
    }
    Ok(())
}
