use bytes::{Buf, BufMut, Bytes, BytesMut};
use isolated_workers_core::{Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

use super::wire::{self, Wire};
use crate::{FrameError, Framing};

/// Frames as JSON objects, one a line.
///
/// A request is `{"type":"add","payload":{"a":5,"b":3},"tx":"…"}`, its reply `{"tx":"…","type":"addResult","payload":…}`,
/// its error `{"tx":"…","type":"addError","payload":{"message":…,"name":…}}`. Lines of white space alone are passed
/// over.
#[derive(Clone, Debug)]
pub struct JsonLines {
    limits: Limits,
    /// How much of the buffer has been searched for the end of the line already, so that a long line is searched once.
    searched: usize,
}

impl JsonLines {
    /// Lines of this size at most.
    pub fn new(limits: Limits) -> Self {
        Self { limits, searched: 0 }
    }

    fn next_line(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        match memchr::memchr(b'\n', &buffer[self.searched..]) {
            Some(at) => {
                let end = self.searched + at;
                self.searched = 0;
                FrameError::check(end + 1, self.limits)?;
                let line = buffer.split_to(end).freeze();
                buffer.advance(1);
                Ok(Some(line))
            }
            None => {
                self.searched = buffer.len();
                FrameError::check(buffer.len(), self.limits)?;
                Ok(None)
            }
        }
    }
}

impl Decoder for JsonLines {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        while let Some(line) = self.next_line(buffer)? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let wire: Wire<'_> = serde_json::from_slice(&line).map_err(FrameError::malformed)?;
            return wire.into_frame(&line).map(Some);
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
        let result = wire::put(frame, out).and_then(|()| {
            out.put_u8(b'\n');
            FrameError::check(out.len() - start, self.limits)
        });
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

impl Framing for JsonLines {}
