use bytes::{Buf, BufMut, BytesMut};
use isolated_workers_core::{Frame, Limits, Metadata};
use memchr::memmem::Finder;
use tokio_util::codec::{Decoder, Encoder};

use super::delimiter::Delimiter;
use super::frame_decoder::FrameMembers;
use super::frame_encoder;
use super::line::Line;
use crate::framing::MAX_COPIED_BYTES;
use crate::{FrameError, Framing};

/// Frames as JSON objects, one per line or with another [`Delimiter`] after each.
///
/// - Request: `{"type":"add","payload":{"a":5,"b":3},"tx":"…"}`
/// - Reply: `{"tx":"…","type":"addResult","payload":…}`
/// - Error: `{"tx":"…","type":"addError","payload":{"message":…,"name":…}}`
///
/// Lines that contain only white space are ignored.
///
/// It also works on its own, over any stream:
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
    /// Number of bytes at the start of the buffer that hold no delimiter, so that a long line is
    /// searched only once.
    searched_bytes: usize,
}

impl JsonLines {
    /// Creates a framing of lines with these limits.
    pub fn new(limits: Limits) -> Self {
        Self::with_delimiter(limits, Delimiter::NEWLINE)
    }

    /// Creates a framing with another delimiter than a line feed.
    ///
    /// The handshake compares the ids of codecs, not delimiters. Another delimiter therefore needs
    /// a codec with its own id:
    ///
    /// ```
    /// use isolated_workers_codec::{Codec, CodecError, Delimiter, Json, JsonLines};
    /// use isolated_workers_core::Limits;
    /// # use bytes::BytesMut;
    /// # use serde::{Deserialize, Serialize};
    ///
    /// /// JSON with a NUL after each frame.
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
        Self { limits, delimiter, searched_bytes: 0 }
    }

    /// Returns the length of the next line if it is complete.
    fn next_line(&mut self, buffer: &[u8]) -> Result<Option<usize>, FrameError> {
        let delimiter = self.delimiter.needle().len();
        match self.delimiter.find(&buffer[self.searched_bytes..]) {
            Some(at) => {
                let end = self.searched_bytes + at;
                self.searched_bytes = 0;
                FrameError::check(end + delimiter, self.limits)?;
                Ok(Some(end))
            }
            None => {
                // The buffer may end with a part of the delimiter.
                self.searched_bytes = (buffer.len() + 1).saturating_sub(delimiter);
                FrameError::check(buffer.len(), self.limits)?;
                Ok(None)
            }
        }
    }

    /// Decodes the frame of a line. Returns `None` if the line contains only white space.
    fn decode_line(&self, line: &Line<'_>) -> Result<Option<Frame>, FrameError> {
        let bytes = line.as_bytes();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let text = std::str::from_utf8(bytes).map_err(FrameError::malformed)?;
        let frame = FrameMembers::find(text)?.into_frame(line)?;
        check_metadata(&frame, self.limits)?;
        Ok(Some(frame))
    }

    fn encode_line(&self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        check_metadata(frame, self.limits)?;
        let start = out.len();
        frame_encoder::encode(frame, out)?;
        // Only a body or an error value that this codec has not encoded can contain the delimiter.
        if self.delimiter.find(&out[start..]).is_some() {
            return Err(FrameError::malformed(
                "it contains its delimiter; encode its payload without white space",
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
            let frame = if end <= MAX_COPIED_BYTES {
                let frame = self.decode_line(&Line::Short(&buffer[..end]));
                buffer.advance(end);
                frame
            } else {
                self.decode_line(&Line::Long(buffer.split_to(end).freeze()))
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
        let result = self.encode_line(frame, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

impl Framing for JsonLines {
    const NAMES_DESCRIPTORS: bool = true;
}
