//! The two ends of pipes, as byte streams.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Handle;

use crate::TryRead;
use crate::unix::sys::read::read;
use crate::unix::sys::shortage::ShortagePause;
use crate::unix::sys::sigpipe::SigpipeGuard;

/// The end of a pipe that is read.
#[derive(Debug)]
pub struct PipeReader(Receiver);

impl PipeReader {
    pub(in crate::unix) fn new(receiver: Receiver) -> Self {
        Self(receiver)
    }

    /// Must be called within a tokio runtime with I/O enabled.
    pub(super) fn from_fd(reader: OwnedFd) -> io::Result<Self> {
        Ok(Self(Receiver::from_owned_fd(reader)?))
    }
}

impl AsyncRead for PipeReader {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl TryRead for PipeReader {
    fn try_read(self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        Ok(read(&self.0, buf).map(drop)?)
    }
}

/// The end of a pipe that is written. Shutting it down closes it, so that the other side reads the
/// end of the stream.
#[derive(Debug)]
pub struct PipeWriter {
    /// Declared before `release`, so that it is closed first.
    sender: Option<Sender>,
    /// Closed together with the sender. The thread that waits for the hang-up then closes its copy.
    release: Option<io::PipeWriter>,
    sigpipe: SigpipeGuard,
    shortage: ShortagePause,
    /// Runtime that the sender belongs to.
    runtime: Handle,
}

impl PipeWriter {
    /// Must be called within a tokio runtime.
    pub(in crate::unix) fn new(sender: Sender) -> Self {
        let sigpipe = SigpipeGuard::new(&sender);
        let (shortage, runtime) = (ShortagePause::default(), Handle::current());
        Self { sender: Some(sender), release: None, sigpipe, shortage, runtime }
    }

    /// Must be called within a tokio runtime with I/O enabled.
    pub(super) fn from_fd(writer: OwnedFd, release: Option<io::PipeWriter>) -> io::Result<Self> {
        Ok(Self { release, ..Self::new(Sender::from_owned_fd(writer)?) })
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(Pin<&mut Sender>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.shortage.poll_over(cx));
            let Some(sender) = &mut self.sender else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            match ready!(self.sigpipe.run(|| write(Pin::new(sender), cx))) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => self.shortage.start(error, &self.runtime)?,
            }
        }
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |sender, cx| sender.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |sender, cx| sender.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: there is no buffer in this process.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender = None;
        self.release = None;
        Poll::Ready(Ok(()))
    }
}
