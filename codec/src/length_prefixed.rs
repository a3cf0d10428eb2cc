mod error_body;
mod fields;
mod header;

use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Attachments, Body, Budget, Frame, Limits, Name};
use tokio_util::codec::{Decoder, Encoder};

use self::fields::Fields;
pub(crate) use self::fields::LENGTH_BYTES;
use self::header::{FrameKind, Header};
use crate::framing::{MAX_COPIED_BYTES, copy_payload};
use crate::{FrameError, Framing};

/// Frames with a length prefix, for every binary codec.
///
/// A frame is a big-endian `u32`, which is the length of the rest, then a header and the body. The
/// header does not depend on the codec. Its first byte holds the kind and flags:
///
/// | kind | | header after the first byte | body |
/// |---|---|---|---|
/// | 0 | request; bit 6: the caller sends items, bit 7: the callee does | id, name, timeout if bit 4 is set, metadata if bit 5 is | payload |
/// | 1 | oneway | as 0 | payload |
/// | 2 | reply | id, metadata if bit 5 is set | payload |
/// | 3 | error | id | flags (code 1, stack 2, value 4), name, message, code, stack, causes, value |
/// | 4 | cancel | id | |
/// | 5, 6 | ping, pong | | |
/// | 7 | go-away; bits 6 and 7: 1 drain, 2 prepare to detach, 3 detach | linger timeout if bit 4 is set | |
/// | 8 | credit | bytes | |
/// | 9 | item; bit 6: from the caller | id | payload |
/// | 10 | end of the caller's items | id | |
/// | 11 | item credit; bit 6: from the caller | id, bytes | |
/// | 12 | no kind: a frame with descriptors | their number, a byte; then a frame of kind 0, 1, 2 or 9, without its length | |
///
/// - An id is a byte and a number (0), the 16 bytes of a UUID (1) or text (2).
/// - Numbers are varints (LEB128). Timeouts are in microseconds.
/// - Texts are UTF-8 with a length prefix. Metadata and causes have a count first.
/// - The codec encodes every payload and the value of an error.
///
/// It also works on its own, over any stream:
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
    /// Budget of each body that is read.
    budget: Budget,
    /// Name of the last request. The next request usually has the same name.
    name: Name,
}

/// Name of a reply or error, which has none on the wire.
const NO_NAME: Name = Name::from_static("");

/// Maximum length of a name that is kept for the next request.
const MAX_KEPT_NAME_BYTES: usize = 64;

/// Minimum memory reserved for an incomplete frame.
const MIN_RESERVED_BYTES: usize = 64 << 10;

/// Returns the length of the frame at the start of `buffer`, without its prefix.
///
/// Returns `None` if the frame is incomplete, and reserves memory for more of it. The reservation
/// grows with the bytes that have arrived, not with the claimed length.
#[inline]
pub(crate) fn next_length(buffer: &mut BytesMut, limits: Limits) -> Result<Option<usize>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    FrameError::check(length, limits)?;
    let missing = (LENGTH_BYTES + length).saturating_sub(buffer.len());
    if missing > 0 {
        buffer.reserve(missing.min(buffer.len().max(MIN_RESERVED_BYTES)));
        return Ok(None);
    }
    Ok(Some(length))
}

#[cold]
fn overlong() -> FrameError {
    FrameError::malformed("it has bytes after its end")
}

impl LengthPrefixed {
    /// Creates a framing with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, budget: limits.budget(), name: Name::default() }
    }

    /// Appends a frame without its body, which has `body` bytes. Leaves `out` unchanged on an
    /// error.
    #[inline]
    fn encode_without_body(&self, frame: &Frame, body: usize, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        header::encode(frame, out)?;
        if let Frame::Error { error, .. } = frame {
            error_body::encode(error, out);
        }
        if let Some(attachments) = frame.body().and_then(Body::attachments) {
            // The connection refuses more than `Attachments::MAX`.
            header::insert_descriptors(attachments.len().try_into().unwrap_or(u8::MAX), start, out);
        }
        let length = out.len() - start - LENGTH_BYTES + body;
        let checked = FrameError::check(length, self.limits)
            .and_then(|()| u32::try_from(length).map_err(FrameError::malformed));
        match checked {
            Ok(length) => {
                out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}

impl LengthPrefixed {
    /// Decodes the frame behind a number of descriptors. `length`: length of all of it.
    #[cold]
    fn decode_with_descriptors(&mut self, buffer: &mut BytesMut, length: usize) -> Result<Frame, FrameError> {
        let mut fields = Fields::new(&buffer[LENGTH_BYTES..LENGTH_BYTES + length]);
        let (_, count) = (fields.byte()?, fields.byte()?);
        let inner = fields.remaining();
        if header::names_descriptors(fields.byte()?) {
            return Err(FrameError::malformed("it names descriptors twice"));
        }
        // Puts the length of the frame in front of it, in place of the number.
        buffer.advance(length - inner);
        let prefix = u32::try_from(inner).map_err(FrameError::malformed)?;
        buffer[..LENGTH_BYTES].copy_from_slice(&prefix.to_be_bytes());
        let mut frame = self.decode(buffer)?.ok_or_else(overlong)?;
        let Some(body) = frame.body_mut() else {
            return Err(FrameError::malformed("it names descriptors, and its kind has no payload"));
        };
        body.attach(Attachments::Named(count.into()));
        Ok(frame)
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
    const NAMES_DESCRIPTORS: bool = true;

    fn encode_head(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<bool, FrameError> {
        if let Some(metadata) = frame.metadata()
            && !metadata.is_empty()
        {
            FrameError::check_keys(metadata.len())?;
            FrameError::check_metadata(metadata.bytes(), self.limits)?;
        }
        let body = frame.body().map(Body::len);
        self.encode_without_body(frame, body.unwrap_or(0), out)?;
        Ok(body.is_some())
    }
}

impl Decoder for LengthPrefixed {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = next_length(buffer, self.limits)? else { return Ok(None) };

        let mut fields = Fields::new(&buffer[LENGTH_BYTES..LENGTH_BYTES + length]);
        let Header { kind, id, timeout, metadata } =
            header::decode(&mut fields, self.limits, &mut self.name)?;
        let (payload, end) = (fields.remaining(), LENGTH_BYTES + length);
        let mut frame = match kind {
            FrameKind::Request | FrameKind::Oneway => {
                let oneway = matches!(kind, FrameKind::Oneway);
                // A long name would occupy memory until the next request.
                let is_kept = self.name.as_str().len() <= MAX_KEPT_NAME_BYTES;
                let name = if is_kept { self.name.clone() } else { std::mem::take(&mut self.name) };
                let mut request = Frame::request(id, name, Body::empty(), metadata, oneway, timeout);
                let streams = header::streams(buffer[LENGTH_BYTES]);
                if !streams.is_none() {
                    request.set_streams(streams);
                }
                request
            }
            FrameKind::Reply => Frame::reply(id, NO_NAME, Body::empty(), metadata),
            FrameKind::Error => {
                buffer.advance(end - payload);
                let error = error_body::decode(&buffer.split_to(payload).freeze())?;
                return Ok(Some(Frame::Error { id, name: NO_NAME, error: error.into() }));
            }
            FrameKind::Credit => {
                let bytes = fields.varint()?;
                if fields.remaining() > 0 {
                    return Err(overlong());
                }
                buffer.advance(end);
                return Ok(Some(Frame::Credit { bytes }));
            }
            FrameKind::ItemCredit => {
                let bytes = fields.varint()?;
                if fields.remaining() > 0 {
                    return Err(overlong());
                }
                let from = header::sender(buffer[LENGTH_BYTES]);
                buffer.advance(end);
                return Ok(Some(Frame::ItemCredit { id, from, bytes }));
            }
            FrameKind::Item => {
                let from = header::sender(buffer[LENGTH_BYTES]);
                Frame::Item { id, from, body: Box::new(Body::empty()) }
            }
            FrameKind::WithDescriptors => return self.decode_with_descriptors(buffer, length).map(Some),
            _ if payload > 0 => return Err(overlong()),
            FrameKind::ItemsEnd => Frame::ItemsEnd { id },
            FrameKind::Cancel => Frame::Cancel { id },
            FrameKind::Ping => Frame::Ping,
            FrameKind::Pong => Frame::Pong,
            FrameKind::GoAway => Frame::GoAway(header::go_away(buffer[LENGTH_BYTES], timeout)),
        };
        // Moves the payload into the frame.
        match frame.body_mut() {
            Some(body) if payload > MAX_COPIED_BYTES => {
                buffer.advance(end - payload);
                *body = buffer.split_to(payload).freeze().into();
                body.set_budget(self.budget);
            }
            Some(body) => {
                copy_payload(&buffer[end - payload..end], body);
                body.set_budget(self.budget);
                buffer.advance(end);
            }
            None => buffer.advance(end),
        }
        Ok(Some(frame))
    }
}
