//! The two halves of a named pipe, as byte streams, and the channels made of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer};

use super::sys::win32::ProcessHandle;
use crate::{Channel, TryRead};

pub(super) type PipeChannel = Channel<NamedPipeReader, NamedPipeWriter>;

/// Returns the worker's channel. It detects that the process `host` is gone.
pub(super) fn worker_channel(reader: NamedPipeReader, writer: NamedPipeWriter, host: u32) -> PipeChannel {
    match ProcessHandle::open(host) {
        Ok(host) => Channel::with_hangup(reader, writer, move || host.wait()),
        // Either the host and its stream have ended, or this user may not watch the host's process.
        Err(_) => Channel::new(reader, writer),
    }
}

/// Either end of a pipe. Reader and writer share it without a lock: each waits for its own
/// direction.
#[derive(Debug)]
pub(super) enum PipeEnd {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

impl PipeEnd {
    /// Returns both halves of a pipe that is open in both directions.
    pub(super) fn split(self) -> (NamedPipeReader, NamedPipeWriter) {
        let end = Arc::new(self);
        (NamedPipeReader(end.clone()), NamedPipeWriter(Some(end)))
    }

    /// Returns the reader of a pipe that is open in this direction only.
    pub(super) fn reader(self) -> NamedPipeReader {
        NamedPipeReader(Arc::new(self))
    }

    /// Returns the writer of a pipe that is open in this direction only.
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

/// The half of a pipe that is read.
#[derive(Debug)]
pub struct NamedPipeReader(Arc<PipeEnd>);

/// The half of a pipe that is written.
///
/// Shutting it down drops its end, so that the other side reads the end of the stream. If the pipe
/// is open in both directions, the reader holds that end too, and the stream ends when both are
/// dropped.
#[derive(Debug)]
pub struct NamedPipeWriter(Option<Arc<PipeEnd>>);

impl TryRead for NamedPipeReader {}

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

    /// Does nothing: there is no buffer in this process.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
