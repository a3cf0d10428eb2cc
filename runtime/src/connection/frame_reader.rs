use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{FrameError, Framing, MAX_COPIED_BYTES};
use isolated_workers_core::{Attachments, Body, Budget, Frame, Limits};
use isolated_workers_transport::TryRead;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::descriptor_intake::DescriptorIntake;

/// Space in bytes reserved before a read. A frame above this size counts as large.
const READ_BYTES: usize = 64 << 10;

/// Number of reads without a large frame after which the memory of large frames is released.
const MAX_SMALL_READS: u32 = 32;

/// Time without a large frame after which the memory of large frames is released.
const LARGE_BUFFER_TIMEOUT: Duration = Duration::from_secs(1);

/// Reading half of a stream: decodes frames and holds the bytes of an incomplete frame.
pub(super) struct FrameReader<F, R> {
    reader: R,
    framing: F,
    /// Budget of each received value.
    budget: Budget,
    buffer: BytesMut,
    /// `true` after the end of the stream.
    has_ended: bool,
    /// Memory of recent large frames, kept for the next large frame, because the first access to
    /// newly mapped memory is slow.
    large: Option<LargeBuffer>,
    /// `true` if the memory of large frames was released since the last query.
    memory_released: bool,
    /// Descriptors that arrive beside the bytes, if both sides have agreed on them.
    descriptors: Option<DescriptorIntake>,
}

/// [`TryRead`] as [`AsyncRead`].
struct TryReader<'a, R>(&'a mut R);

impl<R: TryRead + Unpin> AsyncRead for TryReader<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut *self.0).try_read(buf) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Poll::Pending
            }
            read => Poll::Ready(read),
        }
    }
}

/// Second buffer, in addition to the read buffer. One of the two is large.
struct LargeBuffer {
    /// Buffer that is not read into. The large buffer stays here while a body still refers to it.
    other: BytesMut,
    /// `true` if the large buffer is the read buffer.
    is_in_use: bool,
    /// Size in bytes of the largest frame so far.
    size: usize,
    /// Number of reads since the last large frame.
    reads: u32,
    /// `true` if a large frame arrived since `idle` was set.
    is_used: bool,
    idle: Pin<Box<Sleep>>,
}

impl<F: Framing, R: TryRead + Unpin> FrameReader<F, R> {
    /// Creates a reader. `buffer` holds the bytes already read.
    pub(super) fn new(framing: F, limits: Limits, reader: R, buffer: BytesMut) -> Self {
        Self {
            reader,
            framing,
            budget: limits.budget(),
            buffer,
            has_ended: false,
            large: None,
            memory_released: false,
            descriptors: None,
        }
    }

    /// Takes descriptors. Without this, a frame that names some breaks the protocol.
    pub(super) fn set_descriptors(&mut self, descriptors: Option<DescriptorIntake>) {
        self.descriptors = descriptors;
    }

    /// Returns `true` if the memory of large frames was released since the last call.
    #[inline]
    pub(super) fn take_memory_released(&mut self) -> bool {
        std::mem::take(&mut self.memory_released)
    }

    /// Reads once. Returns 0 at the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            self.reserve();
        } else if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 8 {
            self.buffer.reserve(READ_BYTES);
        }
        let read = poll_read_buf(Pin::new(&mut self.reader), cx, &mut self.buffer);
        match &read {
            Poll::Ready(result) => self.has_ended = !matches!(result, Ok(1..)),
            Poll::Pending => self.release_if_idle(cx),
        }
        read
    }

    /// Reads once, right after a [`poll_read`](Self::poll_read) that was pending. Returns 0 at the
    /// end of the stream, and the errors of [`TryRead::try_read`].
    pub(super) fn try_read(&mut self) -> io::Result<usize> {
        let mut reader = TryReader(&mut self.reader);
        let cx = &mut Context::from_waker(Waker::noop());
        let read = match poll_read_buf(Pin::new(&mut reader), cx, &mut self.buffer) {
            Poll::Ready(read) => read,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        };
        match &read {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            read => self.has_ended = !matches!(read, Ok(1..)),
        }
        read
    }

    /// Decodes the next frame from the buffered bytes. `Ok(None)`: more bytes are needed.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let before = self.buffer.len();
        let mut decoded = if self.has_ended {
            self.framing.decode_eof(&mut self.buffer)
        } else {
            self.framing.decode(&mut self.buffer)
        };
        if let Some(descriptors) = &self.descriptors
            && matches!(decoded, Ok(None))
        {
            descriptors.check_unnamed(self.buffer.is_empty())?;
        }
        if let Ok(Some(frame)) = &mut decoded {
            if let Some(Attachments::Named(count)) = frame.body().and_then(Body::attachments) {
                let count = *count;
                self.attach(frame, count)?;
            }
            frame.set_budget(self.budget);
            let size = before - self.buffer.len();
            if size > MAX_COPIED_BYTES {
                if size > READ_BYTES {
                    self.keep_large(size);
                }
                self.copy_out(frame);
            }
        }
        decoded
    }

    /// Attaches the descriptors that have arrived with a frame which names `count` of them.
    #[cold]
    fn attach(&self, frame: &mut Frame, count: usize) -> Result<(), FrameError> {
        let Some(descriptors) = &self.descriptors else {
            return Err(FrameError::malformed("it names descriptors, and the handshake agreed on none"));
        };
        let attachments = descriptors.take(count)?;
        match frame {
            Frame::Unmarked { answer, request } => {
                for frame in [answer, request] {
                    frame.body_mut().into_iter().for_each(|body| body.attach(attachments.clone()));
                }
            }
            frame => frame.body_mut().into_iter().for_each(|body| body.attach(attachments.clone())),
        }
        Ok(())
    }

    /// Copies the payload of a frame that may wait, if it is much smaller than the read buffer.
    /// Requests seldom wait, and few do: theirs are shared with a buffer of the usual size.
    fn copy_out(&self, frame: &mut Frame) {
        let large = self.large.as_ref().filter(|large| large.is_in_use);
        let body = match (frame, large) {
            (Frame::Item { body, .. }, _) => &mut **body,
            (Frame::Request { request, .. }, Some(_)) => request.body_mut(),
            _ => return,
        };
        body.unshare_from(large.map_or(READ_BYTES, |large| large.size));
    }

    fn reserve(&mut self) {
        if let Some(large) = &mut self.large {
            if large.reads < MAX_SMALL_READS {
                large.reads += 1;
                if large.swap_in(&mut self.buffer) {
                    return;
                }
            } else {
                self.release_large();
            }
        }
        if self.buffer.capacity() < READ_BYTES / 8 {
            // Reuses the memory if no body refers to it anymore.
            self.buffer.reserve(READ_BYTES);
        }
    }

    #[cold]
    fn keep_large(&mut self, size: usize) {
        match &mut self.large {
            Some(large) => {
                large.size = large.size.max(size);
                large.reads = 0;
                large.is_used = true;
                large.is_in_use = true;
            }
            None => {
                self.large = Some(LargeBuffer {
                    other: BytesMut::new(),
                    is_in_use: true,
                    size,
                    reads: 0,
                    is_used: false,
                    idle: Box::pin(sleep(LARGE_BUFFER_TIMEOUT)),
                });
            }
        }
    }

    #[cold]
    fn release_large(&mut self) {
        if self.large.take().is_some_and(|large| large.is_in_use) {
            self.buffer = BytesMut::new();
        }
        self.memory_released = true;
    }

    /// Releases the large buffer if the stream has been idle for long enough.
    fn release_if_idle(&mut self, cx: &mut Context<'_>) {
        let Some(large) = &mut self.large else { return };
        while large.idle.as_mut().poll(cx).is_ready() {
            if !std::mem::take(&mut large.is_used) && self.buffer.is_empty() {
                self.release_large();
                return;
            }
            large.idle.set(sleep(LARGE_BUFFER_TIMEOUT));
        }
    }
}

impl LargeBuffer {
    /// Swaps the two buffers if necessary, so that the empty `buffer` is the large buffer unless a
    /// body still refers to that. Returns `true` if `buffer` is the large buffer.
    #[cold]
    fn swap_in(&mut self, buffer: &mut BytesMut) -> bool {
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
    use bytes::Bytes;
    use isolated_workers_codec::{Codec, Json, LengthPrefixed, Postcard};
    use isolated_workers_core::{Body, Metadata, Role};
    use tokio_util::codec::Encoder;

    use super::*;

    const SIZE: usize = 200_000;

    /// Encodes frames with bodies of these sizes. Each byte of a body is the index of its frame.
    fn wire(sizes: &[usize]) -> BytesMut {
        let mut wire = BytesMut::new();
        for (number, size) in (0..).zip(sizes) {
            let (id, name, metadata) = (1.into(), "".into(), Metadata::new());
            let frame = Frame::reply(id, name, vec![number; *size].into(), metadata);
            LengthPrefixed::new(Limits::default()).encode(&frame, &mut wire).unwrap();
        }
        wire
    }

    /// Returns the body of the next frame, shared with the buffer. Reads only if no complete frame
    /// is buffered, as the task does.
    fn next<F: Framing>(reader: &mut FrameReader<F, &[u8]>) -> Bytes {
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            if let Some(frame) = reader.next_frame().unwrap() {
                return frame.body().cloned().map_or(Bytes::new(), Body::into_bytes);
            }
            assert!(matches!(reader.poll_read(cx), Poll::Ready(Ok(1..))));
        }
    }

    #[tokio::test]
    async fn a_large_buffer_is_reused_only_after_its_bodies_are_dropped() {
        let wire = wire(&[SIZE; 6]);
        let limits = Limits::default();
        let mut reader = FrameReader::new(LengthPrefixed::new(limits), limits, &wire[..], BytesMut::new());
        let is_full =
            |bytes: &Bytes, number: u8| bytes.len() == SIZE && bytes.iter().all(|byte| *byte == number);
        let first = next(&mut reader);
        let second = next(&mut reader);
        let third = next(&mut reader);
        assert!(is_full(&first, 0) && is_full(&second, 1) && is_full(&third, 2));
        drop((first, second, third));
        let fourth = next(&mut reader);
        let fifth = next(&mut reader);
        assert!(is_full(&fourth, 3) && is_full(&fifth, 4));
        drop(fourth);
        let sixth = next(&mut reader);
        assert!(is_full(&fifth, 4) && is_full(&sixth, 5));
    }

    #[tokio::test]
    async fn a_large_buffer_in_use_is_kept_beside_a_small_one() {
        let (large, small) = (wire(&[SIZE]), wire(&[10]));
        let limits = Limits::default();
        let mut reader = FrameReader::new(LengthPrefixed::new(limits), limits, &large[..], BytesMut::new());
        let kept = next(&mut reader);
        reader.reader = &small[..];
        assert_eq!(next(&mut reader).len(), 10);
        assert!(reader.buffer.capacity() <= READ_BYTES, "a small buffer is read into");
        let place = kept.as_ptr_range();
        drop(kept);
        reader.reader = &large[..];
        assert!(place.contains(&next(&mut reader).as_ptr()), "the large buffer is reused");
    }

    /// Number of bytes that are shared with the read buffer, of a frame with this payload behind a
    /// reply of `before` bytes.
    fn shared_bytes<C: Codec>(
        codec: &C,
        before: usize,
        frame: impl FnOnce(Body) -> Frame,
        payload: usize,
    ) -> usize {
        let text = |size: usize| {
            let mut body = BytesMut::new();
            codec.encode(&"x".repeat(size), &mut body).unwrap();
            Body::from(body.freeze())
        };
        let limits = Limits::default();
        let (mut framing, mut wire) = (codec.framing(limits), BytesMut::new());
        framing
            .encode(&Frame::reply(1.into(), "work".into(), text(before), Metadata::new()), &mut wire)
            .unwrap();
        framing.encode(&frame(text(payload)), &mut wire).unwrap();
        let mut reader = FrameReader::new(framing, limits, &wire[..], BytesMut::new());
        next(&mut reader);
        let body = next(&mut reader);
        if body.is_unique() { 0 } else { body.len() }
    }

    fn small_payloads_that_may_wait_share_no_memory<C: Codec>(codec: &C) {
        let item = |body: Body| Frame::Item { id: 1.into(), from: Role::Callee, body: body.into() };
        let request = |body| Frame::request(1.into(), "work".into(), body, Metadata::new(), false, None);
        for payload in [1, 1_100, 15_000] {
            for before in [2_000, SIZE, 1 << 20] {
                assert_eq!(
                    shared_bytes(codec, before, item, payload),
                    0,
                    "an item of {payload} after {before}"
                );
            }
            assert_eq!(shared_bytes(codec, 1 << 20, request, payload), 0, "a request of {payload}");
        }
        // A copy would take longer, and save at most seven eighths of the memory.
        for (before, payload) in [(2_000, 50_000), (SIZE, SIZE)] {
            assert!(shared_bytes(codec, before, item, payload) >= payload, "{payload} after {before}");
        }
        assert!(shared_bytes(codec, 2_000, request, 15_000) >= 15_000);
    }

    #[tokio::test]
    async fn small_payloads_that_may_wait_share_no_memory_with_a_read_buffer() {
        small_payloads_that_may_wait_share_no_memory(&Json);
        small_payloads_that_may_wait_share_no_memory(&Postcard);
    }
}
