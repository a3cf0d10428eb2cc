use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use crate::{
    Bound, Channel, ChannelDescriptors, DescriptorBatch, DescriptorQueue, Inheritance, Transport, TryRead,
};

/// In-process buffers, for a worker on a thread of this process.
///
/// Each direction buffers 64 KiB. If the buffer is full, a write waits until the other side reads.
/// Either side can close one direction by shutting its writer down, or both by dropping its
/// channel. The other side then reads the end of the stream, or its writes fail. A worker whose
/// thread panics is detected in the same way.
///
/// [`Channel::hangup`] is `None`, because a thread that never yields cannot be ended from
/// outside.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

/// Buffer size of each direction, in bytes: the same as that of a Linux pipe.
const BUFFER_BYTES: usize = 64 << 10;

type InMemoryChannel = Channel<InMemoryReader, InMemoryWriter>;

impl Transport for InMemory {
    const NAME: &'static str = "in-memory";
    type Reader = InMemoryReader;
    type Writer = InMemoryWriter;
    type Bound = InMemoryBound;

    fn bind(&self) -> io::Result<InMemoryBound> {
        // One stream per direction: dropping one half affects only that direction, and a reader
        // shares no lock with a writer.
        let (host_writer, worker_reader) = duplex(BUFFER_BYTES);
        let (worker_writer, host_reader) = duplex(BUFFER_BYTES);
        let (to_worker, to_host) = (Moving::default(), Moving::default());
        Ok(InMemoryBound {
            host: channel((host_reader, to_host.clone()), (host_writer, to_worker.clone())),
            worker: Some(WorkerEnd(channel((worker_reader, to_worker), (worker_writer, to_host)))),
        })
    }

    /// Always returns `false`: the end cannot be inherited by another process.
    fn is_inherited(&self, _address: &str) -> bool {
        false
    }

    async fn attach(&self, _address: &str) -> io::Result<InMemoryChannel> {
        let text = "could not attach to the host: `InMemory` reaches only threads of the host's process; use \
                    `UnixSocket` or `NamedPipe` with a process";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    async fn adopt(&self, end: Box<dyn Any + Send>) -> io::Result<InMemoryChannel> {
        let wrong_type = |_| {
            let text = "could not adopt the worker's end: it was not made by `InMemory`; bind and adopt with the \
                        same transport";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        Ok(end.downcast::<WorkerEnd>().map_err(wrong_type)?.0)
    }
}

/// The worker's end on its way to its thread. Dropping it ends the host's stream.
struct WorkerEnd(InMemoryChannel);

/// The host's end. Connected from the start.
#[derive(Debug)]
pub struct InMemoryBound {
    host: InMemoryChannel,
    worker: Option<WorkerEnd>,
}

impl std::fmt::Debug for WorkerEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerEnd").finish_non_exhaustive()
    }
}

impl Bound for InMemoryBound {
    type Reader = InMemoryReader;
    type Writer = InMemoryWriter;

    fn inheritance(&mut self) -> Inheritance {
        match self.worker.take() {
            Some(end) => Inheritance::new("").local(end),
            None => Inheritance::new(""),
        }
    }

    async fn establish(self) -> io::Result<InMemoryChannel> {
        Ok(self.host)
    }
}

/// Batches of descriptors on their way to the other side, each with the number of bytes that
/// precede it in the stream.
type Moving = Arc<Mutex<VecDeque<(u64, DescriptorBatch)>>>;

fn channel(
    (reader, incoming): (DuplexStream, Moving),
    (writer, outgoing): (DuplexStream, Moving),
) -> InMemoryChannel {
    let descriptors = ChannelDescriptors::default();
    let reader = InMemoryReader {
        stream: reader,
        read: 0,
        moving: incoming,
        descriptors: descriptors.incoming.clone(),
    };
    let writer = InMemoryWriter {
        stream: writer,
        written: 0,
        moving: outgoing,
        descriptors: descriptors.outgoing.clone(),
    };
    Channel::new(reader, writer).descriptors(descriptors)
}

/// The half of an [`InMemory`] channel that is read.
#[derive(Debug)]
pub struct InMemoryReader {
    stream: DuplexStream,
    /// Number of bytes read so far.
    read: u64,
    moving: Moving,
    descriptors: DescriptorQueue,
}

impl InMemoryReader {
    /// Takes the descriptors that were sent with bytes that were read. Closes them unless the queue
    /// is open.
    #[cold]
    fn take_descriptors(&self) {
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        while moving.front().is_some_and(|(before, _)| *before < self.read)
            && let Some((_, batch)) = moving.pop_front()
        {
            if self.descriptors.is_open() {
                self.descriptors.push(batch);
            }
        }
    }
}

impl AsyncRead for InMemoryReader {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.read += (buf.filled().len() - before) as u64;
        if self.descriptors.is_open() {
            self.take_descriptors();
        }
        Poll::Ready(Ok(()))
    }
}

impl TryRead for InMemoryReader {
    fn try_read(self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        // Forgets the registered waker. The caller polls again before it waits.
        match self.poll_read(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Drop for InMemoryReader {
    fn drop(&mut self) {
        // Nobody takes them any more. The other side may keep its end for long.
        self.moving.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The half of an [`InMemory`] channel that is written. Dropping it ends this direction.
#[derive(Debug)]
pub struct InMemoryWriter {
    stream: DuplexStream,
    /// Number of bytes written so far.
    written: u64,
    moving: Moving,
    descriptors: DescriptorQueue,
}

impl InMemoryWriter {
    /// Writes by `write`, and moves the first batch of descriptors with the first byte.
    #[inline]
    fn poll_with_descriptors(
        &mut self,
        write: impl FnOnce(Pin<&mut DuplexStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.descriptors.is_empty() {
            let written = ready!(write(Pin::new(&mut self.stream)))?;
            self.written += written as u64;
            return Poll::Ready(Ok(written));
        }
        // Under the lock, so that the other side finds the batch when it has read the byte.
        let mut moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let written = ready!(write(Pin::new(&mut self.stream)))?;
        if written > 0
            && let Some(batch) = self.descriptors.pop()
        {
            moving.push_back((self.written, batch));
        }
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }
}

impl AsyncWrite for InMemoryWriter {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with_descriptors(|stream| stream.poll_write(cx, bytes))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with_descriptors(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
