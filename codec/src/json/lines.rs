use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Frame, Limits, Metadata};
use memchr::memmem::Finder;
use tokio_util::codec::{Decoder, Encoder};

use super::delimiter::Delimiter;
use super::line::Line;
use super::wire::{self, Wire};
use crate::framing::COPIED;
use crate::{FrameError, Framing};

/// Frames as JSON objects, one a line, or with another [`Delimiter`] behind each.
///
/// A request is `{"type":"add","payload":{"a":5,"b":3},"tx":"…"}`, its reply `{"tx":"…","type":"addResult","payload":…}`,
/// its error `{"tx":"…","type":"addError","payload":{"message":…,"name":…}}`. Lines of white space alone are passed
/// over.
///
/// By itself, over any stream:
///
/// ```
/// # use futures_util::{SinkExt, StreamExt};
/// use isolated_workers_codec::{Delimiter, JsonLines};
/// use isolated_workers_core::{Frame, Limits};
/// use tokio_util::codec::{FramedRead, FramedWrite};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = tokio::io::duplex(64);
/// let framing = JsonLines::with_delimiter(Limits::default(), Delimiter::new(b"\0")?);
/// let mut writer = FramedWrite::new(here, framing.clone());
/// let mut reader = FramedRead::new(there, framing);
///
/// writer.send(&Frame::Cancel { id: 7.into() }).await?;
/// let frame = reader.next().await.expect("a frame")?;
/// assert!(matches!(frame, Frame::Cancel { id } if id == 7.into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JsonLines {
    limits: Limits,
    delimiter: Finder<'static>,
    /// How much of the buffer has been searched for the end of the line already, so that a long line is searched once.
    searched: usize,
}

impl JsonLines {
    /// Lines of this size at most.
    pub fn new(limits: Limits) -> Self {
        Self::with_delimiter(limits, Delimiter::NEWLINE)
    }

    /// Frames of this size at most, with this behind each of them.
    ///
    /// The handshake compares the names of codecs, not delimiters. So a connection with one has a codec of its own, whose
    /// name tells it:
    ///
    /// ```
    /// use isolated_workers_codec::{Codec, CodecError, Delimiter, Json, JsonLines};
    /// use isolated_workers_core::Limits;
    /// # use bytes::BytesMut;
    /// # use serde::{Deserialize, Serialize};
    ///
    /// /// JSON with a NUL behind each frame.
    /// #[derive(Clone, Copy, Debug, Default)]
    /// struct NulJson;
    ///
    /// impl Codec for NulJson {
    ///     const ID: &'static str = "json-nul";
    ///     type Framing = JsonLines;
    ///
    ///     fn framing(&self, limits: Limits) -> JsonLines {
    ///         const NUL: Delimiter = match Delimiter::new(b"\0") {
    ///             Ok(nul) => nul,
    ///             Err(_) => panic!("JSON has no NUL"),
    ///         };
    ///         JsonLines::with_delimiter(limits, NUL)
    ///     }
    ///     // `encode` and `decode` are those of `Json`.
    /// #     fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
    /// #         Json.encode(value, out)
    /// #     }
    /// #     fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
    /// #         Json.decode(bytes)
    /// #     }
    /// }
    /// ```
    pub fn with_delimiter(limits: Limits, delimiter: Delimiter) -> Self {
        let delimiter = Finder::new(delimiter.as_bytes()).into_owned();
        Self { limits, delimiter, searched: 0 }
    }

    /// The length of the next line, where all of it is there.
    fn next_line(&mut self, buffer: &[u8]) -> Result<Option<usize>, FrameError> {
        let delimiter = self.delimiter.needle().len();
        match self.delimiter.find(&buffer[self.searched..]) {
            Some(at) => {
                let end = self.searched + at;
                self.searched = 0;
                FrameError::check(end + delimiter, self.limits)?;
                Ok(Some(end))
            }
            None => {
                // All but its last byte may be there already.
                self.searched = (buffer.len() + 1).saturating_sub(delimiter);
                FrameError::check(buffer.len(), self.limits)?;
                Ok(None)
            }
        }
    }

    /// The frame of a line, unless there is nothing but white space in it.
    fn frame(&self, line: &Line<'_>) -> Result<Option<Frame>, FrameError> {
        let bytes = line.as_bytes();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let text = std::str::from_utf8(bytes).map_err(FrameError::malformed)?;
        let frame = Wire::find(text)?.into_frame(line)?;
        check_metadata(&frame, self.limits)?;
        Ok(Some(frame))
    }

    fn put(&self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        check_metadata(frame, self.limits)?;
        let start = out.len();
        wire::put(frame, out)?;
        // Only a body or an error value that was not made by the codec can hold one.
        if self.delimiter.find(&out[start..]).is_some() {
            return Err(FrameError::malformed(
                "it has its delimiter within; encode its payload without white space",
            ));
        }
        out.put_slice(self.delimiter.needle());
        FrameError::check(out.len() - start, self.limits)
    }
}

fn check_metadata(frame: &Frame, limits: Limits) -> Result<(), FrameError> {
    FrameError::check_metadata(frame.metadata().map_or(0, Metadata::bytes), limits)
}

impl Decoder for JsonLines {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        while let Some(end) = self.next_line(buffer)? {
            let frame = if end <= COPIED {
                let frame = self.frame(&Line::Short(&buffer[..end]));
                buffer.advance(end);
                frame
            } else {
                self.frame(&Line::Long(buffer.split_to(end).freeze()))
            };
            buffer.advance(self.delimiter.needle().len());
            if let Some(frame) = frame? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(buffer)? {
            Some(frame) => Ok(Some(frame)),
            None if buffer.iter().all(u8::is_ascii_whitespace) => Ok(None),
            None => Err(FrameError::malformed("the stream ended within a line")),
        }
    }
}

impl Encoder<&Frame> for JsonLines {
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

impl Framing for JsonLines {}
