use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use crate::{Bound, Channel, Inheritance, Transport, TryRead};

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
        let channel = |reader, writer| Channel::new(InMemoryReader(reader), InMemoryWriter(writer));
        Ok(InMemoryBound {
            host: channel(host_reader, host_writer),
            worker: Some(WorkerEnd(channel(worker_reader, worker_writer))),
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

/// The half of an [`InMemory`] channel that is read.
#[derive(Debug)]
pub struct InMemoryReader(DuplexStream);

impl AsyncRead for InMemoryReader {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl TryRead for InMemoryReader {
    fn try_read(mut self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        // Forgets the registered waker. The caller polls again before it waits.
        match Pin::new(&mut self.0).poll_read(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The half of an [`InMemory`] channel that is written. Dropping it ends this direction.
#[derive(Debug)]
pub struct InMemoryWriter(DuplexStream);

impl AsyncWrite for InMemoryWriter {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
