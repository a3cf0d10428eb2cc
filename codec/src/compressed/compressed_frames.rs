use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

use super::CompressionOptions;
use super::expansion::Expansion;
use super::zlib::{Deflater, Inflater};
use crate::framing::MAX_COPIED_BYTES;
use crate::length_prefixed::{LENGTH_BYTES, next_length};
use crate::{FrameError, Framing};

/// Frames of another framing, compressed with zlib if they are large and get smaller.
///
/// A frame is a big-endian `u32`, which is the length of the rest, then a flag byte and a frame of
/// the other framing. The inner frame is unchanged if the flag is 0, and a zlib stream (RFC 1950)
/// if it is 1. [`Limits::frame`] limits the length, [`Compressed::cap`](crate::Compressed::cap) the
/// inner frame.
///
/// [`Compressed`](crate::Compressed) creates it. It also works on its own, over any stream:
///
/// ```
/// # use futures_util::{SinkExt, StreamExt};
/// use isolated_workers_codec::{Codec, Compressed, Json};
/// use isolated_workers_core::{Frame, Limits, Metadata};
/// use tokio_util::codec::{FramedRead, FramedWrite};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = tokio::io::duplex(4096);
/// let codec = Compressed::new(Json);
/// let mut writer = FramedWrite::new(here, codec.framing(Limits::default()));
/// let mut reader = FramedRead::new(there, codec.framing(Limits::default()));
///
/// let body = format!("\"{}\"", "again and ".repeat(10_000)).into_bytes();
/// let frame = Frame::reply(7.into(), "say".into(), body.into(), Metadata::new());
/// writer.send(&frame).await?;
/// let received = reader.next().await.expect("a frame")?;
/// assert_eq!(received.body(), frame.body());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CompressedFrames<F> {
    inner: F,
    threshold_bytes: usize,
    limits: Limits,
    expansion: Expansion,
    deflater: Deflater,
    inflater: Inflater,
}

/// Size of the length and the flag.
const HEAD_BYTES: usize = LENGTH_BYTES + 1;

const FLAG_PLAIN: u8 = 0;
const FLAG_ZLIB: u8 = 1;

impl<F: Framing> CompressedFrames<F> {
    pub(super) fn new(inner: F, options: CompressionOptions, limits: Limits) -> Self {
        let CompressionOptions { threshold_bytes, level, cap_bytes, ratio } = options;
        let expansion = Expansion::new(cap_bytes, ratio, limits);
        let (deflater, inflater) = (Deflater::new(level), Inflater::default());
        Self { inner, threshold_bytes, limits, expansion, deflater, inflater }
    }

    fn encode_frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        out.put_bytes(0, LENGTH_BYTES);
        out.put_u8(FLAG_PLAIN);
        let inside = start + HEAD_BYTES;
        self.inner.encode(frame, out).map_err(|error| self.expansion.with_setting(error))?;
        let plain_bytes = out.len() - inside;
        self.expansion.check_cap(plain_bytes)?;
        if plain_bytes >= self.threshold_bytes
            && let Some(compressed) = self.deflater.deflate(&out[inside..])
            && self.expansion.check(plain_bytes, compressed.len()).is_ok()
        {
            out.truncate(inside);
            out.put_slice(&compressed);
            out[inside - 1] = FLAG_ZLIB;
        }
        let length = out.len() - start - LENGTH_BYTES;
        FrameError::check(length, self.limits)?;
        let length = u32::try_from(length).map_err(FrameError::malformed)?;
        out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Decodes the single frame in `inside`.
    fn decode_inner(&mut self, mut inside: BytesMut) -> Result<Frame, FrameError> {
        let size = inside.len();
        let decoded = self.inner.decode(&mut inside).map_err(|error| self.expansion.with_setting(error))?;
        match decoded {
            Some(mut frame) if inside.is_empty() => {
                if size > MAX_COPIED_BYTES
                    && let Some(body) = frame.body_mut()
                {
                    body.unshare_from(size);
                }
                Ok(frame)
            }
            Some(_) => Err(FrameError::malformed("it has bytes after its inner frame")),
            None => Err(FrameError::malformed("its inner frame is incomplete")),
        }
    }
}

impl<F: Framing> Encoder<&Frame> for CompressedFrames<F> {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        let result = self.encode_frame(frame, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

impl<F: Framing> Decoder for CompressedFrames<F> {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = next_length(buffer, self.limits)? else { return Ok(None) };
        buffer.advance(LENGTH_BYTES);
        let mut part = buffer.split_to(length);
        match part.split_first() {
            Some((&FLAG_PLAIN, plain)) => {
                self.expansion.check_cap(plain.len())?;
                part.advance(1);
                self.decode_inner(part).map(Some)
            }
            Some((&FLAG_ZLIB, compressed)) => {
                let max_bytes = self.expansion.max_bytes(compressed.len());
                let inside = self.inflater.inflate(compressed, max_bytes)?;
                self.expansion.check(inside.len(), compressed.len())?;
                self.decode_inner(inside).map(Some)
            }
            Some((unknown, _)) => {
                Err(FrameError::malformed(format!("it has the unknown compression flag {unknown}")))
            }
            None => Err(FrameError::malformed("it is empty")),
        }
    }
}

impl<F: Framing> Framing for CompressedFrames<F> {
    const NAMES_DESCRIPTORS: bool = F::NAMES_DESCRIPTORS;
}
