use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

use super::Settings;
use super::zlib::{Deflater, Inflater};
use crate::length_prefixed::{LENGTH, whole};
use crate::{FrameError, Framing};

/// The frames of another framing, compressed with zlib where they are large and get smaller by it.
///
/// A frame is a big-endian `u32`, the length of what follows, a byte, and a frame of the other framing: as it is where the
/// byte is 0, as a zlib stream (RFC 1950) where it is 1. [`Limits::frame`] goes for the length,
/// [`Compressed::cap`](crate::Compressed::cap) for the frame inside.
///
/// [`Compressed`](crate::Compressed) makes it; by itself, over any stream:
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
    threshold: usize,
    limits: Limits,
    expansion: Expansion,
    deflater: Deflater,
    inflater: Inflater,
}

/// The length and the byte behind it.
const HEAD: usize = LENGTH + 1;

const WHAT: &str = "the frame before compression";

const PLAIN: u8 = 0;
const ZLIB: u8 = 1;

impl<F: Framing> CompressedFrames<F> {
    pub(super) fn new(inner: F, settings: Settings, limits: Limits) -> Self {
        let Settings { threshold, level, cap, ratio } = settings;
        let (cap, setting) = match cap {
            Some(cap) => (cap, "Compressed::cap"),
            None => (limits.frame, "Limits::frame"),
        };
        let expansion = Expansion { cap, setting, ratio };
        let (deflater, inflater) = (Deflater::new(level), Inflater::default());
        Self { inner, threshold, limits, expansion, deflater, inflater }
    }

    fn put(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        out.put_bytes(0, LENGTH);
        out.put_u8(PLAIN);
        let inside = start + HEAD;
        self.inner.encode(frame, out).map_err(|error| self.expansion.blame(error))?;
        let plain = out.len() - inside;
        self.expansion.check_cap(plain)?;
        if plain >= self.threshold
            && let Some(compressed) = self.deflater.deflate(&out[inside..])
            && self.expansion.check(plain, compressed.len()).is_ok()
        {
            out.truncate(inside);
            out.put_slice(&compressed);
            out[inside - 1] = ZLIB;
        }
        let length = out.len() - start - LENGTH;
        FrameError::check(length, self.limits)?;
        let length = u32::try_from(length).map_err(FrameError::malformed)?;
        out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// The frame that is all of `inside`.
    fn take(&mut self, mut inside: BytesMut) -> Result<Frame, FrameError> {
        let decoded = self.inner.decode(&mut inside).map_err(|error| self.expansion.blame(error))?;
        match decoded {
            Some(frame) if inside.is_empty() => Ok(frame),
            Some(_) => Err(FrameError::malformed("there are bytes after the end of the frame inside")),
            None => Err(FrameError::malformed("the frame inside has no end")),
        }
    }
}

/// What a frame may become.
#[derive(Clone, Copy, Debug)]
struct Expansion {
    cap: usize,
    /// What sets the cap.
    setting: &'static str,
    ratio: usize,
}

impl Expansion {
    /// How many bytes may become of `compressed`.
    fn most(self, compressed: usize) -> usize {
        self.cap.min(compressed.saturating_mul(self.ratio))
    }

    fn check_cap(self, bytes: usize) -> Result<(), FrameError> {
        FrameError::check_part(WHAT, bytes, self.cap, self.setting)
    }

    /// Refuses that so many bytes become of `compressed`.
    fn check(self, bytes: usize, compressed: usize) -> Result<(), FrameError> {
        self.check_cap(bytes)?;
        FrameError::check_part(WHAT, bytes, self.most(compressed), "Compressed::ratio")
    }

    /// The framing inside has the cap for the limit of its frames.
    fn blame(self, error: FrameError) -> FrameError {
        match error {
            FrameError::TooLarge { what, bytes, limit, setting: "Limits::frame" } => {
                FrameError::TooLarge { what, bytes, limit, setting: self.setting }
            }
            other => other,
        }
    }
}

impl<F: Framing> Encoder<&Frame> for CompressedFrames<F> {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        let result = self.put(frame, out);
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
        let Some(length) = whole(buffer, self.limits)? else { return Ok(None) };
        buffer.advance(LENGTH);
        let mut part = buffer.split_to(length);
        match part.split_first() {
            Some((&PLAIN, plain)) => {
                self.expansion.check_cap(plain.len())?;
                part.advance(1);
                self.take(part).map(Some)
            }
            Some((&ZLIB, compressed)) => {
                let most = self.expansion.most(compressed.len());
                let inside = self.inflater.inflate(compressed, most)?;
                self.expansion.check(inside.len(), compressed.len())?;
                self.take(inside).map(Some)
            }
            Some((unknown, _)) => Err(FrameError::malformed(format!("there is no compression {unknown}"))),
            None => Err(FrameError::malformed("it is empty")),
        }
    }
}

impl<F: Framing> Framing for CompressedFrames<F> {}
