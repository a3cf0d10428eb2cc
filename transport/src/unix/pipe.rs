//! A channel of two pipes.

use std::io::{self, IoSlice, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::Channel;

pub(super) type PipeChannel = Channel<Receiver, PipeWriter>;

/// The end of a pipe that is written to. Shutting it down closes it, so that the other side reads the end of the stream.
#[derive(Debug)]
pub struct PipeWriter {
    /// Declared, and so closed, before `watch`.
    sender: Option<Sender>,
    /// Closed together with the sender: tells the thread that waits for the hang-up to close its copy, too.
    watch: Option<io::PipeWriter>,
}

/// The host's channel.
pub(super) fn channel(reader: OwnedFd, writer: OwnedFd) -> io::Result<PipeChannel> {
    let writer = PipeWriter::new(Sender::from_owned_fd(writer)?);
    Ok(Channel::new(Receiver::from_owned_fd(reader)?, writer))
}

/// The worker's channel.
pub(super) fn watched(reader: OwnedFd, writer: OwnedFd) -> io::Result<PipeChannel> {
    let (released, watch) = io::pipe()?;
    let ends = Ends { reader: Some(reader.try_clone()?), writer: Some(writer.try_clone()?), released };
    let writer = PipeWriter { sender: Some(Sender::from_owned_fd(writer)?), watch: Some(watch) };
    Ok(Channel::with_hangup(Receiver::from_owned_fd(reader)?, writer, move || ends.wait_for_hangup()))
}

/// Copies of the two ends, for as long as the other side has the others.
struct Ends {
    /// `None`: the other side writes no more.
    reader: Option<OwnedFd>,
    /// `None`: the other side reads no more, or this side writes no more.
    writer: Option<OwnedFd>,
    /// Ends when this side has closed its writer. Keeping a copy then would hide that from the other side.
    released: PipeReader,
}

impl Ends {
    fn wait_for_hangup(mut self) {
        while self.reader.is_some() || self.writer.is_some() {
            // No flag is asked for: that the other end is closed is told always, and nothing else is.
            let watch = |fd| PollFd::from_borrowed_fd(fd, PollFlags::empty());
            let reader = self.reader.as_ref().map(|reader| watch(reader.as_fd()));
            let writer = self.writer.as_ref().map(|writer| watch(writer.as_fd()));
            let released = self.writer.as_ref().map(|_| watch(self.released.as_fd()));
            let mut polled: Vec<_> = [&reader, &writer, &released].into_iter().flatten().cloned().collect();
            match poll(&mut polled, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return,
            }
            let mut told = polled.iter().map(|end| !end.revents().is_empty());
            let mut next = |polled: bool| polled && told.next().unwrap_or(true);
            let (reader, writer, released) =
                (next(reader.is_some()), next(writer.is_some()), next(released.is_some()));
            if reader {
                self.reader = None;
            }
            if writer || released {
                self.writer = None;
            }
        }
    }
}

impl PipeWriter {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender: Some(sender), watch: None }
    }

    fn open(&mut self) -> io::Result<Pin<&mut Sender>> {
        self.sender.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.open()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// There is no buffer.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender = None;
        self.watch = None;
        Poll::Ready(Ok(()))
    }
}
