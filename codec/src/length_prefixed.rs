mod fields;
mod header;

use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Body, Budget, Frame, Limits, Name};
use tokio_util::codec::{Decoder, Encoder};

use self::fields::Fields;
use self::header::{Header, Kind};
use crate::framing::{COPIED, copy};
use crate::{FrameError, Framing};

/// Frames with their length in front, for every binary codec.
///
/// A frame is a big-endian `u32`, the length of what follows, then a header and the body. The header is the same
/// whatever the codec, so that a codec has nothing to do with frames; its first byte holds the kind and what follows:
///
/// | kind | | header after the first byte | body |
/// |---|---|---|---|
/// | 0 | request | id, name, timeout if bit 4 is set, metadata if bit 5 is | payload |
/// | 1 | oneway | as 0 | payload |
/// | 2 | reply | id, metadata if bit 5 is set | payload |
/// | 3 | error | id | flags (code 1, stack 2, value 4), name, message, code, stack, causes, value |
/// | 4 | cancel | id | |
/// | 5, 6 | ping, pong | | |
/// | 7 | go-away | timeout if bit 4 is set: how long to linger | |
///
/// An id is a byte and a number (0), the sixteen bytes of a UUID (1) or text (2). Numbers are varints (LEB128), texts are
/// UTF-8 with their length in front, timeouts are in microseconds, metadata and causes have their count in front. The
/// value of an error and every payload are encoded by the codec.
///
/// By itself, over any stream:
///
/// ```
/// # use futures_util::{SinkExt, StreamExt};
/// use isolated_workers_codec::LengthPrefixed;
/// use isolated_workers_core::{Frame, Limits};
/// use tokio_util::codec::{FramedRead, FramedWrite};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = tokio::io::duplex(64);
/// let mut writer = FramedWrite::new(here, LengthPrefixed::new(Limits::default()));
/// let mut reader = FramedRead::new(there, LengthPrefixed::new(Limits::default().frame(1 << 10)));
///
/// writer.send(&Frame::Cancel { id: 7.into() }).await?;
/// let frame = reader.next().await.expect("a frame")?;
/// assert!(matches!(frame, Frame::Cancel { id } if id == 7.into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LengthPrefixed {
    limits: Limits,
    /// Of each value that is read.
    budget: Budget,
    /// The name of the last request that was read, which is that of the next, as a rule.
    name: Name,
}

/// The length in front, in bytes.
pub(crate) const LENGTH: usize = 4;

/// Of an answer, which has no name on the wire.
const NAMELESS: Name = Name::from_static("");

/// In bytes, the longest name that is kept for the next request.
const LONGEST_KEPT: usize = 64;

/// How much is reserved ahead for a frame of which nothing has arrived yet.
const STEP: usize = 64 << 10;

/// The length that the frame at the start of `buffer` has, without its prefix. `None` where not all of it is there:
/// then there is room for more, which grows with what has come and not with what the prefix claims.
#[inline]
pub(crate) fn whole(buffer: &mut BytesMut, limits: Limits) -> Result<Option<usize>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    FrameError::check(length, limits)?;
    let missing = (LENGTH + length).saturating_sub(buffer.len());
    if missing > 0 {
        buffer.reserve(missing.min(buffer.len().max(STEP)));
        return Ok(None);
    }
    Ok(Some(length))
}

impl LengthPrefixed {
    /// Frames of this size at most.
    pub fn new(limits: Limits) -> Self {
        Self { limits, budget: limits.budget(), name: Name::default() }
    }

    /// Appends what `put` does, with room for the length in front: a frame without the last `body` bytes of it, which the caller writes. Leaves `out` as it was where the
    /// frame is too large.
    #[inline]
    fn put(
        &self,
        body: usize,
        out: &mut BytesMut,
        put: impl FnOnce(&mut BytesMut),
    ) -> Result<(), FrameError> {
        let start = out.len();
        put(out);
        let length = out.len() - start - LENGTH + body;
        let checked = FrameError::check(length, self.limits)
            .and_then(|()| u32::try_from(length).map_err(FrameError::malformed));
        match checked {
            Ok(length) => {
                out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}

impl Encoder<&Frame> for LengthPrefixed {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        if self.encode_head(frame, out)? {
            match frame.body() {
                Some(body) if body.pieces().len() > 1 => {
                    body.pieces().iter().for_each(|piece| out.put_slice(piece));
                }
                Some(body) => out.put_slice(body.as_bytes()),
                None => {}
            }
        }
        Ok(())
    }
}

impl Framing for LengthPrefixed {
    fn encode_head(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<bool, FrameError> {
        if let Some(metadata) = frame.metadata()
            && !metadata.is_empty()
        {
            FrameError::check_keys(metadata.len())?;
            FrameError::check_metadata(metadata.bytes(), self.limits)?;
        }
        let body = frame.body().map(Body::len);
        self.put(body.unwrap_or(0), out, |out| {
            header::put(frame, out);
            if let Frame::Error { error, .. } = frame {
                header::put_error(error, out);
            }
        })?;
        Ok(body.is_some())
    }
}

impl Decoder for LengthPrefixed {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = whole(buffer, self.limits)? else { return Ok(None) };

        let mut fields = Fields::new(&buffer[LENGTH..LENGTH + length]);
        let Header { kind, id, timeout, metadata } = header::take(&mut fields, self.limits, &mut self.name)?;
        let (left, end) = (fields.left(), LENGTH + length);
        let mut frame = match kind {
            Kind::Request | Kind::Oneway => {
                let oneway = matches!(kind, Kind::Oneway);
                // A long name would stay for long.
                let is_kept = self.name.as_str().len() <= LONGEST_KEPT;
                let name = if is_kept { self.name.clone() } else { std::mem::take(&mut self.name) };
                Frame::request(id, name, Body::empty(), metadata, oneway, timeout)
            }
            Kind::Reply => Frame::reply(id, NAMELESS, Body::empty(), metadata),
            Kind::Error => {
                buffer.advance(end - left);
                let error = header::take_error(&buffer.split_to(left).freeze())?;
                return Ok(Some(Frame::Error { id, name: NAMELESS, error: error.into() }));
            }
            _ if left > 0 => return Err(FrameError::malformed("there are bytes after its end")),
            Kind::Cancel => Frame::Cancel { id },
            Kind::Ping => Frame::Ping,
            Kind::Pong => Frame::Pong,
            Kind::GoAway => Frame::GoAway { linger: timeout },
        };
        // The payload goes to where it stays.
        match frame.body_mut() {
            Some(body) if left > COPIED => {
                buffer.advance(end - left);
                *body = buffer.split_to(left).freeze().into();
                body.set_budget(self.budget);
            }
            Some(body) => {
                copy(&buffer[end - left..end], body);
                body.set_budget(self.budget);
                buffer.advance(end);
            }
            None => buffer.advance(end),
        }
        Ok(Some(frame))
    }
}
