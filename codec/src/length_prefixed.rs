use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Body, Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

use crate::header::{ErrorBody, Header};
use crate::{Codec, CodecError, FrameError, Framing};

/// Frames with their length in front, for binary codecs.
///
/// `u32` length of what follows, `u16` length of the header, the header and the body, both in the codec's format;
/// both lengths are big-endian. The header has a length of its own so that any codec will do, also one that cannot
/// tell where a value ends.
#[derive(Clone, Debug)]
pub struct LengthPrefixed<C> {
    codec: C,
    limits: Limits,
}

const LENGTH: usize = 4;
const HEADER_LENGTH: usize = 2;

/// How much is reserved ahead for a frame of which nothing has arrived yet.
const STEP: usize = 64 << 10;

impl<C: Codec> LengthPrefixed<C> {
    /// Frames whose header and body `codec` encodes.
    pub fn new(codec: C, limits: Limits) -> Self {
        Self { codec, limits }
    }

    /// Appends lengths and header for a body of which `out` holds nothing yet.
    fn put_head(&self, frame: &Frame, body: usize, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        out.put_bytes(0, LENGTH + HEADER_LENGTH);
        self.codec.encode(&Header::of(frame), out).map_err(FrameError::malformed)?;
        let header = out.len() - start - LENGTH - HEADER_LENGTH;
        let Ok(header_length) = u16::try_from(header) else {
            return Err(FrameError::TooLarge { bytes: header, limit: u16::MAX.into() });
        };
        let length = HEADER_LENGTH + header + body;
        FrameError::check(length, self.limits)?;
        let length = u32::try_from(length).map_err(FrameError::malformed)?;
        out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
        out[start + LENGTH..start + LENGTH + HEADER_LENGTH].copy_from_slice(&header_length.to_be_bytes());
        Ok(())
    }

    fn put(&self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        match frame {
            Frame::Request { body, .. } | Frame::Reply { body, .. } => {
                self.put_head(frame, body.len(), out)?;
                out.put_slice(body.as_bytes());
            }
            Frame::Error { error, .. } => {
                let mut body = BytesMut::new();
                self.codec.encode(&ErrorBody::from(&**error), &mut body).map_err(FrameError::malformed)?;
                self.put_head(frame, body.len(), out)?;
                out.put_slice(&body);
            }
            _ => self.put_head(frame, 0, out)?,
        }
        Ok(())
    }
}

/// Leaves `out` as it was where `put` fails.
fn all_or_nothing<T>(
    out: &mut BytesMut,
    put: impl FnOnce(&mut BytesMut) -> Result<T, FrameError>,
) -> Result<T, FrameError> {
    let start = out.len();
    let result = put(out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

impl<C: Codec> Encoder<&Frame> for LengthPrefixed<C> {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        all_or_nothing(out, |out| self.put(frame, out))
    }
}

impl<C: Codec> Framing for LengthPrefixed<C> {
    fn encode_head(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<bool, FrameError> {
        all_or_nothing(out, |out| match frame.body().map(Body::len) {
            Some(body) => self.put_head(frame, body, out).map(|()| true),
            None => self.put(frame, out).map(|()| false),
        })
    }
}

impl<C: Codec> Decoder for LengthPrefixed<C> {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        FrameError::check(length, self.limits)?;
        let missing = (LENGTH + length).saturating_sub(buffer.len());
        if missing > 0 {
            buffer.reserve(missing.min(buffer.len().max(STEP)));
            return Ok(None);
        }

        let frame = &buffer[LENGTH..LENGTH + length];
        let (header_length, rest) =
            frame.split_first_chunk().ok_or_else(|| truncated("its header's length"))?;
        let header_length = usize::from(u16::from_be_bytes(*header_length));
        let header = rest.get(..header_length).ok_or_else(|| truncated("its header"))?;
        let mut frame = self
            .codec
            .decode::<Header<'_>>(header)
            .map_err(|error| malformed("header", error))?
            .into_frame()?;
        let head = LENGTH + HEADER_LENGTH + header_length;
        buffer.advance(head);
        let rest = buffer.split_to(LENGTH + length - head).freeze();
        match &mut frame {
            Frame::Request { body, .. } | Frame::Reply { body, .. } => *body = rest.into(),
            Frame::Error { error, .. } => {
                let body: ErrorBody<'_> =
                    self.codec.decode(&rest).map_err(|error| malformed("error", error))?;
                **error = body.into();
            }
            _ if rest.is_empty() => {}
            _ => return Err(FrameError::malformed("there are bytes after its end")),
        }
        Ok(Some(frame))
    }
}

fn truncated(what: &str) -> FrameError {
    FrameError::malformed(format!("it ends before {what}"))
}

fn malformed(what: &str, error: CodecError) -> FrameError {
    FrameError::malformed(format!("its {what}: {error}"))
}
