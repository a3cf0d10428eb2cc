use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use isolated_workers_codec::{FrameError, Framing};
use isolated_workers_core::protocol::{Connection, Event};
use isolated_workers_core::{Error, ErrorKind, Frame};
use tokio::io::AsyncWrite;

/// Bodies from this size on are written from where they are.
const LARGE: usize = 64 << 10;

/// How much is encoded before it is written. More makes no system call cheaper.
const BATCH: usize = 256 << 10;

/// How many pieces one system call takes.
const PIECES: usize = 16;

/// The end of a stream that frames leave by, and the bytes that it has not taken yet.
pub(super) struct Outgoing<F> {
    framing: F,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Written before `buffer`, in this order.
    pieces: VecDeque<Bytes>,
    pieces_len: usize,
    buffer: BytesMut,
    /// How much of `buffer` is written. It is not cut off, which would leave less and less room behind it.
    written: usize,
    /// How many bytes at the front the stream was offered, and so must have if it goes on.
    offered: usize,
    state: Ending,
}

enum Ending {
    Open,
    /// The stream is ended as soon as all is written.
    Closing,
    Closed,
    /// Nothing can be written any more; the reader finds out why, and first reads what is still there.
    Broken(Option<io::Error>),
}

impl<F: Framing> Outgoing<F> {
    pub(super) fn new(framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            framing,
            writer,
            pieces: VecDeque::new(),
            pieces_len: 0,
            buffer: BytesMut::new(),
            written: 0,
            offered: 0,
            state: Ending::Open,
        }
    }

    /// How many encoded bytes wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.pieces_len + self.buffer.len() - self.written
    }

    pub(super) fn shut_down_when_written(&mut self) {
        if let Ending::Open = self.state {
            self.state = Ending::Closing;
        }
    }

    /// Why nothing can be written any more. Told once.
    pub(super) fn broken(&mut self) -> Option<io::Error> {
        match &mut self.state {
            Ending::Broken(error) => error.take(),
            _ => None,
        }
    }

    /// Encodes and writes the frames of `connection` until none is left or the stream takes no more. A frame that has
    /// no encoding within the limits is refused: what that means for calls goes to `refused`.
    pub(super) fn poll_flush<T>(
        &mut self,
        connection: &mut Connection<T>,
        refused: &mut Vec<Event<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            self.encode(connection, refused);
            if self.unwritten() == 0 {
                return self.poll_end(cx);
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

    /// Encodes the frames of `connection`, as far as there is room. They are written by the next flush.
    pub(super) fn encode<T>(&mut self, connection: &mut Connection<T>, refused: &mut Vec<Event<T>>) {
        while self.unwritten() < BATCH {
            let Some(frame) = connection.poll_encode() else { return };
            if let Ending::Closed | Ending::Broken(_) = self.state {
                continue;
            }
            if let Err(error) = self.put(&frame) {
                let error = unsendable(&frame, error);
                refused.extend(connection.handle_encode_error(frame, error));
            }
        }
    }

    fn put(&mut self, frame: &Frame) -> Result<(), FrameError> {
        match frame.body() {
            Some(body) if body.len() >= LARGE => {
                if self.framing.encode_head(frame, &mut self.buffer)? {
                    body.pieces().iter().for_each(|piece| self.put_piece(piece));
                }
                Ok(())
            }
            _ => self.framing.encode(frame, &mut self.buffer),
        }
    }

    /// Writes `piece` behind all else; a large one from where it is.
    fn put_piece(&mut self, piece: &Bytes) {
        if piece.len() < LARGE {
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
        let writer = Pin::new(&mut self.writer);
        let written = if self.pieces.is_empty() {
            writer.poll_write(cx, &self.buffer[self.written..])
        } else {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let parts = self.pieces.iter().map(|piece| &**piece).chain([&self.buffer[self.written..]]);
            let mut used = 0;
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
                used += 1;
            }
            writer.poll_write_vectored(cx, &slices[..used])
        };
        written.map(|result| match result {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        })
    }

    /// Whether what is encoded will be written, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, Ending::Open)
    }

    /// Takes back what the stream was not offered yet: whole frames, from the last part to the first.
    pub(super) fn retract(&mut self) -> Vec<Bytes> {
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

    /// The frames that were encoded to what was taken back.
    pub(super) fn decoded(&mut self, retracted: Vec<Bytes>) -> Vec<Frame> {
        let mut encoded = BytesMut::new();
        retracted.iter().rev().for_each(|part| encoded.extend_from_slice(part));
        std::iter::from_fn(|| self.framing.decode(&mut encoded).ok().flatten()).collect()
    }

    /// Gives the stream up, and all that it would have taken.
    pub(super) fn release(&mut self) {
        self.break_off(io::ErrorKind::BrokenPipe.into());
        self.writer = Box::new(tokio::io::empty());
    }

    fn advance(&mut self, mut written: usize) {
        self.offered -= written;
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
            // Its memory is used again, unless one large batch made it large for good.
            if self.buffer.capacity() > 2 * BATCH {
                self.buffer = BytesMut::new();
            } else {
                self.buffer.clear();
            }
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Ending::Closing = self.state {
            match Pin::new(&mut self.writer).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.state = Ending::Closed,
                Poll::Ready(Err(error)) => self.break_off(error),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn break_off(&mut self, error: io::Error) {
        self.pieces.clear();
        self.pieces_len = 0;
        self.buffer.clear();
        self.written = 0;
        self.offered = 0;
        self.state = Ending::Broken(Some(error));
    }
}

fn unsendable(frame: &Frame, error: FrameError) -> Error {
    let kind = match error {
        FrameError::TooLarge { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Encode,
    };
    let attempt = match frame {
        Frame::Request { request, .. } => format!("could not send `{}`", request.name()),
        Frame::Reply { name, .. } => format!("could not send the reply to `{name}`"),
        Frame::Error { name, .. } => format!("could not send the error of `{name}`"),
        _ => "could not send a frame".to_owned(),
    };
    Error::new(kind, format!("{attempt}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use isolated_workers_codec::LengthPrefixed;
    use isolated_workers_core::{Body, Executed, Limits, Name, Request};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio_util::codec::Decoder;

    use super::*;

    const BEGUN: usize = 100;

    /// A stream that takes [`BEGUN`] bytes, a call of which so much has left, and calls of these sizes that are encoded and
    /// were offered to nobody.
    fn stalled(sizes: &[usize]) -> (Outgoing<LengthPrefixed>, Connection<usize>, DuplexStream) {
        let (here, there) = duplex(BEGUN);
        let mut outgoing = Outgoing::new(LengthPrefixed::new(Limits::default()), Box::new(here));
        let (mut connection, mut refused) = (Connection::new(), Vec::new());
        let call = |connection: &mut Connection<usize>, number: usize, size: usize| {
            let body = Body::from(vec![number as u8; size]);
            let request = Request::new(Name::from_static("work"), body);
            connection.call((number as u64).into(), request, None, number).unwrap();
        };
        call(&mut connection, 0, 1_000);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(outgoing.poll_flush(&mut connection, &mut refused, &mut cx).is_pending());
        for (number, size) in (1..).zip(sizes) {
            call(&mut connection, number, *size);
            outgoing.encode(&mut connection, &mut refused);
        }
        assert!(refused.is_empty());
        (outgoing, connection, there)
    }

    #[tokio::test]
    async fn what_the_stream_was_not_offered_is_not_sent_after_a_failure_and_was_not_run() {
        for sizes in [&[][..], &[10], &[10, 2_000], &[100_000], &[10, 100_000, 10], &[100_000, 70_000]] {
            let (mut outgoing, mut connection, mut there) = stalled(sizes);
            let events = connection.fail(|_| Error::new(ErrorKind::Crashed, "it is gone"));
            let retracted = outgoing.retract();
            let back = outgoing.decoded(retracted);
            let lengths: Vec<_> = back.iter().map(|frame| frame.body().unwrap().len()).collect();
            assert_eq!(lengths, sizes, "what is taken back is whole frames");
            for event in events {
                let Event::Answered { token, result: Err(error) } = event else { panic!("{event:?}") };
                let expected = if token == 0 { Executed::Maybe } else { Executed::No };
                assert_eq!(error.executed(), expected, "call {token} of {sizes:?}");
            }
            outgoing.shut_down_when_written();
            let mut refused = Vec::new();
            let flush = std::future::poll_fn(|cx| outgoing.poll_flush(&mut connection, &mut refused, cx));
            let mut wire = Vec::new();
            let ((), read) = tokio::join!(flush, there.read_to_end(&mut wire));
            read.unwrap();
            let mut wire = BytesMut::from(&wire[..]);
            let frame = LengthPrefixed::new(Limits::default()).decode(&mut wire).unwrap();
            assert_eq!(frame.unwrap().body().unwrap().as_bytes(), [0; 1_000]);
            assert!(wire.is_empty(), "{} bytes more than the call that was begun, of {sizes:?}", wire.len());
        }
    }
}
