use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{FrameError, Framing};
use isolated_workers_core::{Budget, Frame, Limits};
use tokio::io::AsyncRead;
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;

/// Room for this much is made before each read.
const READ: usize = 64 << 10;

/// How many small reads after a large frame give its memory back.
const SMALL_READS: u32 = 32;

/// How long without a large frame gives its memory back.
const KEPT: Duration = Duration::from_secs(1);

/// The end of a stream that frames come by, and the bytes that are no whole frame yet.
pub(super) struct Incoming<F, R> {
    reader: R,
    framing: F,
    /// Of each value that comes in.
    budget: Budget,
    buffer: BytesMut,
    has_ended: bool,
    /// The memory of the last large frames, for those that follow: memory from the system is slow to touch first.
    large: Option<Large>,
    /// Whether it has been given back to the allocator, and nobody was told.
    gave_back: bool,
}

struct Large {
    /// The other of two buffers, one of which is large: this one, as long as a body is still in it.
    other: BytesMut,
    /// Whether the large one is that which is read into.
    is_in_use: bool,
    /// The largest of them.
    size: usize,
    /// How many reads ago the last of them came.
    reads: u32,
    /// Whether one came since `idle` was set.
    is_used: bool,
    idle: Pin<Box<Sleep>>,
}

impl<F: Framing, R: AsyncRead + Unpin> Incoming<F, R> {
    /// `buffer` holds what has been read already.
    pub(super) fn new(framing: F, limits: Limits, reader: R, buffer: BytesMut) -> Self {
        Self {
            reader,
            framing,
            budget: limits.budget(),
            buffer,
            has_ended: false,
            large: None,
            gave_back: false,
        }
    }

    /// Whether nothing waits to become a frame.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether large memory has been given back since this was asked last.
    #[inline]
    pub(super) fn gave_back(&mut self) -> bool {
        std::mem::take(&mut self.gave_back)
    }

    /// Reads once. 0 is the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            self.make_room();
        } else if self.buffer.capacity() - self.buffer.len() < READ / 8 {
            self.buffer.reserve(READ);
        }
        let read = poll_read_buf(Pin::new(&mut self.reader), cx, &mut self.buffer);
        match &read {
            Poll::Ready(result) => self.has_ended = !matches!(result, Ok(1..)),
            Poll::Pending => self.rest(cx),
        }
        read
    }

    /// The next frame of what has been read.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let before = self.buffer.len();
        let mut decoded = if self.has_ended {
            self.framing.decode_eof(&mut self.buffer)
        } else {
            self.framing.decode(&mut self.buffer)
        };
        if let Ok(Some(frame)) = &mut decoded {
            frame.set_budget(self.budget);
            let size = before - self.buffer.len();
            if size > READ {
                self.keep(size);
            }
        }
        decoded
    }

    fn make_room(&mut self) {
        if let Some(large) = &mut self.large {
            if large.reads < SMALL_READS {
                large.reads += 1;
                if large.take_turn(&mut self.buffer) {
                    return;
                }
            } else {
                self.forget();
            }
        }
        if self.buffer.capacity() < READ / 8 {
            // Takes the memory over again where no body of it is left.
            self.buffer.reserve(READ);
        }
    }

    #[cold]
    fn keep(&mut self, size: usize) {
        match &mut self.large {
            Some(large) => {
                large.size = large.size.max(size);
                large.reads = 0;
                large.is_used = true;
                large.is_in_use = true;
            }
            None => {
                self.large = Some(Large {
                    other: BytesMut::new(),
                    is_in_use: true,
                    size,
                    reads: 0,
                    is_used: false,
                    idle: Box::pin(sleep(KEPT)),
                });
            }
        }
    }

    #[cold]
    fn forget(&mut self) {
        if self.large.take().is_some_and(|large| large.is_in_use) {
            self.buffer = BytesMut::new();
        }
        self.gave_back = true;
    }

    /// Nothing comes for now, or for longer.
    fn rest(&mut self, cx: &mut Context<'_>) {
        let Some(large) = &mut self.large else { return };
        while large.idle.as_mut().poll(cx).is_ready() {
            if !std::mem::take(&mut large.is_used) && self.buffer.is_empty() {
                self.forget();
                return;
            }
            large.idle.set(sleep(KEPT));
        }
    }
}

impl Large {
    /// Has the empty `buffer` be the large one, where no body is left in that, and the other one where one is.
    #[cold]
    fn take_turn(&mut self, buffer: &mut BytesMut) -> bool {
        if buffer.try_reclaim(self.size) {
            self.is_in_use = true;
            return true;
        }
        let is_free = self.other.try_reclaim(self.size);
        if is_free || self.is_in_use {
            std::mem::swap(buffer, &mut self.other);
            self.is_in_use = is_free;
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;
    use isolated_workers_codec::LengthPrefixed;
    use isolated_workers_core::{Body, Metadata};
    use tokio_util::codec::Encoder;

    use super::*;

    const SIZE: usize = 200_000;

    /// Frames of these sizes, of which each is full of its number.
    fn wire(sizes: &[usize]) -> BytesMut {
        let mut wire = BytesMut::new();
        for (number, size) in (0..).zip(sizes) {
            let (id, name, metadata) = (1.into(), "".into(), Metadata::new());
            let frame = Frame::reply(id, name, vec![number; *size].into(), metadata);
            LengthPrefixed::new(Limits::default()).encode(&frame, &mut wire).unwrap();
        }
        wire
    }

    /// The body of the next frame, as one that a value shares, and then what the task does: it reads once more.
    fn next(incoming: &mut Incoming<LengthPrefixed, &[u8]>) -> Bytes {
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            if let Some(frame) = incoming.next_frame().unwrap() {
                return frame.body().cloned().map_or(Bytes::new(), Body::into_bytes);
            }
            assert!(matches!(incoming.poll_read(cx), Poll::Ready(Ok(1..))));
        }
    }

    #[tokio::test]
    async fn large_memory_is_used_again_when_nothing_is_left_in_it_and_never_before() {
        let wire = wire(&[SIZE; 6]);
        let limits = Limits::default();
        let mut incoming = Incoming::new(LengthPrefixed::new(limits), limits, &wire[..], BytesMut::new());
        let is_full =
            |bytes: &Bytes, number: u8| bytes.len() == SIZE && bytes.iter().all(|byte| *byte == number);
        let first = next(&mut incoming);
        let second = next(&mut incoming);
        let third = next(&mut incoming);
        assert!(is_full(&first, 0) && is_full(&second, 1) && is_full(&third, 2));
        drop((first, second, third));
        let fourth = next(&mut incoming);
        let fifth = next(&mut incoming);
        assert!(is_full(&fourth, 3) && is_full(&fifth, 4));
        drop(fourth);
        let sixth = next(&mut incoming);
        assert!(is_full(&fifth, 4) && is_full(&sixth, 5));
    }

    #[tokio::test]
    async fn one_that_is_in_use_waits_beside_a_small_buffer() {
        let (large, small) = (wire(&[SIZE]), wire(&[10]));
        let limits = Limits::default();
        let mut incoming = Incoming::new(LengthPrefixed::new(limits), limits, &large[..], BytesMut::new());
        let kept = next(&mut incoming);
        incoming.reader = &small[..];
        assert_eq!(next(&mut incoming).len(), 10);
        assert!(incoming.buffer.capacity() <= READ, "it is another, and small");
        let place = kept.as_ptr_range();
        drop(kept);
        incoming.reader = &large[..];
        assert!(place.contains(&next(&mut incoming).as_ptr()), "the large one again");
    }
}
