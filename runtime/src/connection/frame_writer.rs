use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use isolated_workers_codec::{FrameError, Framing};
use isolated_workers_core::protocol::{Connection, Event};
use isolated_workers_core::{Attachments, Body, Error, ErrorKind, Frame};
use isolated_workers_transport::{ChannelDescriptors, DescriptorQueue};
use tokio::io::AsyncWrite;

use super::descriptor_marks::DescriptorMarks;

/// Minimum size in bytes of a body that is written without a copy.
const ZERO_COPY_BYTES: usize = 64 << 10;

/// Size in bytes at which an encoded batch is full. Larger batches do not make system calls
/// cheaper.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// Maximum number of buffers in one vectored write.
const MAX_SLICES: usize = 16;

/// Writing half of a stream: encodes frames and holds the bytes that the stream has not accepted
/// yet.
pub(super) struct FrameWriter<F> {
    framing: F,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Buffers to write before `buffer`, in order.
    pieces: VecDeque<Bytes>,
    pieces_len: usize,
    buffer: BytesMut,
    /// Number of bytes of `buffer` already written. They stay in the buffer, because splitting them
    /// off would shrink its capacity.
    written: usize,
    /// Number of bytes at the front that were offered to the stream. The stream may have accepted
    /// part of them, so they cannot be retracted.
    offered: usize,
    /// Descriptors of the frames, if the stream carries them. Boxed, because few streams do.
    descriptors: Option<Box<DescriptorMarks>>,
    state: StreamState,
}

enum StreamState {
    Open,
    /// The stream is shut down once everything is written.
    Closing,
    Closed,
    /// No more bytes can be written. Bytes that have arrived can still be read.
    Broken(Option<io::Error>),
}

impl<F: Framing> FrameWriter<F> {
    pub(super) fn new(framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            framing,
            writer,
            pieces: VecDeque::new(),
            pieces_len: 0,
            buffer: BytesMut::new(),
            written: 0,
            offered: 0,
            descriptors: None,
            state: StreamState::Open,
        }
    }

    /// Sends the descriptors of frames by the queues that the stream shares. Without them, frames
    /// with descriptors are refused.
    pub(super) fn carry_descriptors(&mut self, queues: ChannelDescriptors) {
        self.descriptors = Some(Box::new(DescriptorMarks::new(queues)));
    }

    /// Queue of the descriptors that arrive on the other half of the stream.
    pub(super) fn incoming_descriptors(&self) -> Option<DescriptorQueue> {
        self.descriptors.as_ref().map(|descriptors| descriptors.incoming())
    }

    /// Number of encoded bytes not written yet.
    pub(super) fn unwritten(&self) -> usize {
        self.pieces_len + self.buffer.len() - self.written
    }

    /// Returns `true` if the stream has not accepted all that it was offered.
    #[inline]
    pub(super) fn is_stalled(&self) -> bool {
        self.offered > 0
    }

    /// Returns `true` if neither `connection` nor this writer has anything left to write.
    #[inline]
    pub(super) fn is_written<T>(&self, connection: &Connection<T>) -> bool {
        connection.queued_bytes() == 0 && connection.held() == 0 && self.unwritten() == 0
    }

    pub(super) fn shut_down_when_written(&mut self) {
        if let StreamState::Open = self.state {
            self.state = StreamState::Closing;
        }
    }

    /// Returns the error of a broken stream, once.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        match &mut self.state {
            StreamState::Broken(error) => error.take(),
            _ => None,
        }
    }

    /// Encodes and writes the frames of `connection` until none is left or the stream accepts no
    /// more. `Ready` means that nothing is left to write. If a request cannot be encoded within the
    /// limits, its call ends with an event in `refused`.
    pub(super) fn poll_flush<T>(
        &mut self,
        connection: &mut Connection<T>,
        refused: &mut Vec<Event<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.is_written(connection) {
                return self.poll_shutdown(cx);
            }
            self.encode(connection, refused);
            if self.unwritten() == 0 {
                return self.poll_shutdown(cx);
            }
            connection.mark_transmitted();
            self.offered = self.unwritten();
            match self.poll_write(cx) {
                Poll::Ready(Ok(written)) => self.advance(written),
                Poll::Ready(Err(error)) => self.break_off(error),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Encodes the frames of `connection` until the batch is full. The next flush writes them.
    pub(super) fn encode<T>(&mut self, connection: &mut Connection<T>, refused: &mut Vec<Event<T>>) {
        // Frames that a broken stream did not take stay: a request among them was not sent.
        while self.unwritten() < MAX_BATCH_BYTES && !matches!(self.state, StreamState::Broken(_)) {
            let Some(frame) = connection.poll_encode() else { return };
            if let StreamState::Closed = self.state {
                continue;
            }
            if let Err(error) = self.encode_frame(&frame) {
                let error = unsendable(connection, &frame, error);
                refused.extend(connection.handle_encode_error(frame, error, Instant::now()));
            }
        }
    }

    fn encode_frame(&mut self, frame: &Frame) -> Result<(), FrameError> {
        match frame.body().and_then(Body::attachments) {
            Some(attachments) => self.encode_with_descriptors(frame, attachments),
            None => self.encode_bytes(frame),
        }
    }

    /// Encodes a frame that has descriptors, and takes them out of its body.
    #[cold]
    fn encode_with_descriptors(
        &mut self,
        frame: &Frame,
        attachments: &Attachments,
    ) -> Result<(), FrameError> {
        if self.descriptors.is_none() {
            return Err(FrameError::NoDescriptors);
        }
        if !(1..=Attachments::MAX).contains(&attachments.len()) {
            let text = format!("it has {} descriptors, not 1 to {}", attachments.len(), Attachments::MAX);
            return Err(FrameError::malformed(text));
        }
        let Some(handles) = attachments.take_all() else {
            return Err(FrameError::malformed(
                "its descriptors were moved by an earlier attempt to send it, or were taken; open the files again",
            ));
        };
        let start = self.unwritten();
        self.encode_bytes(frame)?;
        if let Some(descriptors) = &mut self.descriptors {
            descriptors.push(start, handles);
        }
        Ok(())
    }

    fn encode_bytes(&mut self, frame: &Frame) -> Result<(), FrameError> {
        match frame.body() {
            Some(body) if body.len() >= ZERO_COPY_BYTES => {
                if self.framing.encode_head(frame, &mut self.buffer)? {
                    body.pieces().iter().for_each(|piece| self.push_piece(piece));
                }
                Ok(())
            }
            _ => self.framing.encode(frame, &mut self.buffer),
        }
    }

    /// Appends a piece of a body. A large piece is not copied.
    fn push_piece(&mut self, piece: &Bytes) {
        if piece.len() < ZERO_COPY_BYTES {
            self.buffer.extend_from_slice(piece);
            return;
        }
        self.buffer.advance(std::mem::take(&mut self.written));
        self.pieces_len += self.buffer.len() + piece.len();
        if !self.buffer.is_empty() {
            self.pieces.push_back(self.buffer.split().freeze());
        }
        self.pieces.push_back(piece.clone());
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = self.descriptors.as_mut().and_then(|descriptors| descriptors.offer());
        let writer = Pin::new(&mut self.writer);
        let written = if self.pieces.is_empty() {
            let part = &self.buffer[self.written..];
            writer.poll_write(cx, most.map_or(part, |most| &part[..most]))
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let parts = self.pieces.iter().map(|piece| &**piece).chain([&self.buffer[self.written..]]);
            let (mut used, mut rest) = (0, most.unwrap_or(usize::MAX));
            for (slice, part) in slices.iter_mut().zip(parts) {
                let part = &part[..part.len().min(rest)];
                *slice = IoSlice::new(part);
                rest -= part.len();
                used += 1;
            }
            writer.poll_write_vectored(cx, &slices[..used])
        };
        written.map(|result| match result {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        })
    }

    /// Returns `true` if the stream is shut down once everything is written.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, StreamState::Closing)
    }

    /// Returns `true` unless the stream is closing, closed or known to be broken.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, StreamState::Open)
    }

    /// Takes back the bytes that were not offered to the stream. Together they are whole frames.
    /// Returns them in parts, the last part first.
    pub(super) fn retract(&mut self) -> Vec<Bytes> {
        if let Some(descriptors) = &mut self.descriptors {
            descriptors.retract(self.offered);
        }
        let mut excess = self.unwritten() - self.offered;
        let end = excess.min(self.buffer.len() - self.written);
        let mut parts = vec![self.buffer.split_off(self.buffer.len() - end).freeze()];
        excess -= end;
        self.pieces_len -= excess;
        while excess > 0
            && let Some(piece) = self.pieces.back_mut()
        {
            let end = piece.len().min(excess);
            parts.push(piece.split_off(piece.len() - end));
            excess -= end;
            if piece.is_empty() {
                self.pieces.pop_back();
            }
        }
        parts
    }

    /// Decodes the frames in the parts from [`retract`](Self::retract).
    pub(super) fn decode_retracted(&mut self, retracted: Vec<Bytes>) -> Vec<Frame> {
        let mut encoded = BytesMut::new();
        retracted.iter().rev().for_each(|part| encoded.extend_from_slice(part));
        std::iter::from_fn(|| self.framing.decode(&mut encoded).ok().flatten()).collect()
    }

    /// Drops all unwritten bytes and returns the stream.
    pub(super) fn close_stream(&mut self) -> Box<dyn AsyncWrite + Send + Unpin> {
        self.break_off(io::ErrorKind::BrokenPipe.into());
        std::mem::replace(&mut self.writer, Box::new(tokio::io::empty()))
    }

    fn advance(&mut self, mut written: usize) {
        self.offered -= written;
        if let Some(descriptors) = &mut self.descriptors {
            descriptors.advance(written);
        }
        while let Some(piece) = self.pieces.front_mut() {
            let part = written.min(piece.len());
            piece.advance(part);
            self.pieces_len -= part;
            written -= part;
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.written += written;
        if self.written == self.buffer.len() {
            self.written = 0;
            // Reuses the buffer, unless a large batch has made it too large to keep.
            if self.buffer.capacity() > 2 * MAX_BATCH_BYTES {
                self.buffer = BytesMut::new();
            } else {
                self.buffer.clear();
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let StreamState::Closing = self.state {
            match Pin::new(&mut self.writer).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.state = StreamState::Closed,
                Poll::Ready(Err(error)) => self.break_off(error),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Marks the stream as broken and drops all unwritten bytes.
    pub(super) fn break_off(&mut self, error: io::Error) {
        self.pieces.clear();
        self.pieces_len = 0;
        self.buffer.clear();
        self.written = 0;
        self.offered = 0;
        if let Some(descriptors) = &mut self.descriptors {
            descriptors.clear();
        }
        self.state = StreamState::Broken(Some(error));
    }
}

fn unsendable<T>(connection: &Connection<T>, frame: &Frame, error: FrameError) -> Error {
    let kind = match error {
        FrameError::TooLarge { .. } => ErrorKind::TooLarge,
        // The handler of a reply or an item has run.
        FrameError::NoDescriptors if matches!(frame, Frame::Request { .. }) => ErrorKind::Unsupported,
        _ => ErrorKind::Encode,
    };
    let object = match frame {
        Frame::Request { request, .. } => format!("`{}`", request.name()),
        Frame::Reply { name, .. } => format!("the reply to `{name}`"),
        Frame::Error { name, .. } => format!("the error of `{name}`"),
        Frame::Item { id, from, .. } => match connection.name(*from, id) {
            Some(name) => format!("an item of `{name}`"),
            None => "an item".to_owned(),
        },
        _ => "a frame".to_owned(),
    };
    Error::new(kind, format!("could not send {object}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use isolated_workers_codec::LengthPrefixed;
    use isolated_workers_core::{Body, Executed, Limits, Name, Request};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio_util::codec::Decoder;

    use super::*;

    /// Capacity of the stream in bytes.
    const ACCEPTED_BYTES: usize = 100;

    /// Returns a writer whose stream accepted [`ACCEPTED_BYTES`] bytes of a first call. Calls of
    /// these sizes are encoded but were not offered to the stream.
    fn stalled(sizes: &[usize]) -> (FrameWriter<LengthPrefixed>, Connection<usize>, DuplexStream) {
        let (here, there) = duplex(ACCEPTED_BYTES);
        let mut writer = FrameWriter::new(LengthPrefixed::new(Limits::default()), Box::new(here));
        let (mut connection, mut refused) = (Connection::new(), Vec::new());
        let call = |connection: &mut Connection<usize>, number: usize, size: usize| {
            let body = Body::from(vec![number as u8; size]);
            let request = Request::new(Name::from_static("work"), body);
            connection.call((number as u64).into(), request, None, number).unwrap();
        };
        call(&mut connection, 0, 1_000);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(writer.poll_flush(&mut connection, &mut refused, &mut cx).is_pending());
        for (number, size) in (1..).zip(sizes) {
            call(&mut connection, number, *size);
            writer.encode(&mut connection, &mut refused);
        }
        assert!(refused.is_empty());
        (writer, connection, there)
    }

    #[tokio::test]
    async fn calls_not_offered_to_the_stream_are_not_sent_after_a_failure_and_were_not_run() {
        for sizes in [&[][..], &[10], &[10, 2_000], &[100_000], &[10, 100_000, 10], &[100_000, 70_000]] {
            let (mut writer, mut connection, mut there) = stalled(sizes);
            let events = connection.fail(|_| Error::new(ErrorKind::Crashed, "the worker is gone"));
            let retracted = writer.retract();
            let back = writer.decode_retracted(retracted);
            let lengths: Vec<_> = back.iter().map(|frame| frame.body().unwrap().len()).collect();
            assert_eq!(lengths, sizes, "only whole frames are taken back");
            for event in events {
                let Event::Answered { token, result: Err(error) } = event else { panic!("{event:?}") };
                let expected = if token == 0 { Executed::Maybe } else { Executed::No };
                assert_eq!(error.executed(), expected, "call {token} of {sizes:?}");
            }
            writer.shut_down_when_written();
            let mut refused = Vec::new();
            let flush = std::future::poll_fn(|cx| writer.poll_flush(&mut connection, &mut refused, cx));
            let mut wire = Vec::new();
            let ((), read) = tokio::join!(flush, there.read_to_end(&mut wire));
            read.unwrap();
            let mut wire = BytesMut::from(&wire[..]);
            let frame = LengthPrefixed::new(Limits::default()).decode(&mut wire).unwrap();
            assert_eq!(frame.unwrap().body().unwrap().as_bytes(), [0; 1_000]);
            assert!(wire.is_empty(), "{} bytes follow the first call, for {sizes:?}", wire.len());
        }
    }
}
