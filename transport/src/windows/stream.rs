use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};

use super::system::Process;
use crate::Channel;

pub(super) type PipeChannel = Channel<NamedPipeReader, NamedPipeWriter>;

/// The channel of a worker, whose host is this process.
pub(super) fn watched(reader: NamedPipeReader, writer: NamedPipeWriter, host: u32) -> PipeChannel {
    match Process::open(host) {
        Ok(host) => Channel::with_hangup(reader, writer, move || host.wait()),
        // It has ended, and so has the stream; or it runs as somebody whose processes cannot be watched.
        Err(_) => Channel::new(reader, writer),
    }
}

/// Either end of a pipe, shared by a reader and a writer without a lock: each waits for its own direction.
#[derive(Debug)]
pub(super) enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl End {
    /// Of a pipe that goes both ways.
    pub(super) fn split(self) -> (NamedPipeReader, NamedPipeWriter) {
        let end = Arc::new(self);
        (NamedPipeReader(end.clone()), NamedPipeWriter(Some(end)))
    }

    /// Of a pipe that goes this way only.
    pub(super) fn reader(self) -> NamedPipeReader {
        NamedPipeReader(Arc::new(self))
    }

    /// Of a pipe that goes this way only.
    pub(super) fn writer(self) -> NamedPipeWriter {
        NamedPipeWriter(Some(Arc::new(self)))
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Server(end) => end.poll_read_ready(cx),
            Self::Client(end) => end.poll_read_ready(cx),
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Server(end) => end.try_read(buffer),
            Self::Client(end) => end.try_read(buffer),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Server(end) => end.poll_write_ready(cx),
            Self::Client(end) => end.poll_write_ready(cx),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Server(end) => end.try_write(bytes),
            Self::Client(end) => end.try_write(bytes),
        }
    }
}

/// What is read from a pipe.
#[derive(Debug)]
pub struct NamedPipeReader(Arc<End>);

/// What is written to a pipe. Shutting it down drops its end, so that the other side reads the end of the stream; where
/// the pipe goes both ways the reader has that end, too, and the stream ends when both are dropped.
#[derive(Debug)]
pub struct NamedPipeWriter(Option<Arc<End>>);

impl AsyncRead for NamedPipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The other side has closed its end.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for NamedPipeWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(end) = &self.0 else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        loop {
            ready!(end.poll_write_ready(cx))?;
            match end.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
