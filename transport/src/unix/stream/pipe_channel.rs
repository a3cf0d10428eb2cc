//! Channels over two pipes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::pipe::{PipeReader, PipeWriter};
use crate::Channel;

pub(in crate::unix) type PipeChannel = Channel<PipeReader, PipeWriter>;

/// Returns the host's channel.
pub(in crate::unix) fn host_channel(reader: OwnedFd, writer: OwnedFd) -> io::Result<PipeChannel> {
    Ok(Channel::new(PipeReader::from_fd(reader)?, PipeWriter::from_fd(writer, None)?))
}

/// Returns the worker's channel, which detects that the host is gone.
pub(in crate::unix) fn worker_channel(reader: OwnedFd, writer: OwnedFd) -> io::Result<PipeChannel> {
    let (released, release) = io::pipe()?;
    let hangup =
        PipeHangup { reader: Some(reader.try_clone()?), writer: Some(writer.try_clone()?), released };
    let (reader, writer) = (PipeReader::from_fd(reader)?, PipeWriter::from_fd(writer, Some(release))?);
    Ok(Channel::with_hangup(reader, writer, move || hangup.wait()))
}

/// Copies of this side's two ends, each kept until the other side has closed its own.
struct PipeHangup {
    /// `None` if the other side writes no more.
    reader: Option<OwnedFd>,
    /// `None` if the other side reads no more, or this side writes no more.
    writer: Option<OwnedFd>,
    /// Ends when this side has closed its writer. A copy that is kept longer would hide that from
    /// the other side.
    released: io::PipeReader,
}

impl PipeHangup {
    /// Blocks this thread until the other side has closed both its ends.
    fn wait(mut self) {
        while self.reader.is_some() || self.writer.is_some() {
            // No events are requested: the system always reports a closed peer, and nothing else is
            // needed.
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
            let mut closed = polled.iter().map(|end| !end.revents().is_empty());
            let mut next = |polled: bool| polled && closed.next().unwrap_or(true);
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
