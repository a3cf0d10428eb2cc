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
        Self { reader, framing, budget: limits.budget(), buffer, has_ended: false, large: None }
    }

    /// Whether nothing waits to become a frame.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
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
        let decoded = if self.has_ended {
            self.framing.decode_eof(&mut self.buffer)?
        } else {
            self.framing.decode(&mut self.buffer)?
        };
        Ok(decoded.map(|mut frame| {
            let size = before - self.buffer.len();
            if size > READ {
                self.keep(size);
            }
            frame.set_budget(self.budget);
            frame
        }))
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
