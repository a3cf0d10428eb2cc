//! The two halves of a connected socket, as byte streams.
//!
//! A socket that is registered for reading and writing wakes its task each time that the other side
//! has read something, because the send buffer has room again. That costs two needless wake-ups per
//! call. So the socket is registered for reading only, and for writing only while its send buffer
//! is full.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::runtime::Handle;

use crate::unix::sys::read::read;
use crate::unix::sys::read_descriptors::read_with_descriptors;
use crate::unix::sys::scm_rights;
use crate::unix::sys::shortage::ShortagePause;
use crate::{ChannelDescriptors, DescriptorQueue, TryRead};

/// Makes a write to a process that has ended an error instead of a signal.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// macOS has a socket option instead of the flag, which the channel sets.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// The half of a socket that is read. Registered with the runtime that it was made in.
#[derive(Debug)]
pub struct SocketReader {
    socket: AsyncFd<Arc<OwnedFd>>,
    /// Descriptors that have arrived. Unless the queue is open, the system closes them.
    descriptors: DescriptorQueue,
}

/// The half of a socket that is written. Dropping it ends this direction of the stream.
#[derive(Debug)]
pub struct SocketWriter {
    socket: Arc<OwnedFd>,
    /// Descriptors to send with the next byte.
    descriptors: DescriptorQueue,
    /// `Some` while the send buffer is full: a second descriptor of the socket, registered for
    /// writing. One descriptor can have only one registration.
    full: Option<AsyncFd<OwnedFd>>,
    shortage: ShortagePause,
    /// Runtime that the socket belongs to. A task of another runtime may write, but the
    /// registration must outlive it.
    runtime: Handle,
}

/// Returns both halves of a non-blocking socket. Call it within a tokio runtime.
pub(super) fn halves(
    socket: OwnedFd,
    descriptors: ChannelDescriptors,
) -> io::Result<(SocketReader, SocketWriter)> {
    let socket = Arc::new(socket);
    let ChannelDescriptors { incoming, outgoing } = descriptors;
    // SAFETY: the value owns the descriptor, and nothing replaces either before it is dropped.
    let reader = unsafe { AsyncFd::register_with_interest(Arc::clone(&socket), Interest::READABLE) }?;
    let writer = SocketWriter {
        socket,
        descriptors: outgoing,
        full: None,
        shortage: ShortagePause::default(),
        runtime: Handle::current(),
    };
    Ok((SocketReader { socket: reader, descriptors: incoming }, writer))
}

impl SocketReader {
    /// Reads once. Descriptors need another system call, so only an open queue gets them.
    #[inline]
    fn read_once(&self, buf: &mut ReadBuf<'_>) -> Result<usize, Errno> {
        if self.descriptors.is_open() {
            read_with_descriptors(self.socket.get_ref(), buf, &self.descriptors)
        } else {
            read(self.socket.get_ref(), buf)
        }
    }
}

impl AsyncRead for SocketReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let most = buf.remaining();
            match self.read_once(buf) {
                Ok(read) => {
                    // One that brought descriptors may have ended at them.
                    if (1..most).contains(&read) && !self.descriptors.is_open() {
                        // A short read has emptied the socket. Clearing readiness saves the read
                        // that would only return `EAGAIN`.
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl TryRead for SocketReader {
    fn try_read(self: Pin<&mut Self>, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        Ok(self.read_once(buf).map(drop)?)
    }
}

impl SocketWriter {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        send: impl Fn(&OwnedFd) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.shortage.poll_over(cx));
            let mut ready = match &self.full {
                Some(full) => Some(ready!(full.poll_write_ready(cx))?),
                None => None,
            };
            match send(&self.socket) {
                Ok(sent) => {
                    self.full = None;
                    return Poll::Ready(Ok(sent));
                }
                Err(Errno::AGAIN) => match &mut ready {
                    Some(ready) => ready.clear_ready(),
                    None => self.register()?,
                },
                Err(Errno::INTR) => {}
                Err(error) => self.shortage.start(error.into(), &self.runtime)?,
            }
        }
    }

    /// Sends the first batch of descriptors with the first byte of `slices`.
    #[cold]
    fn poll_send_descriptors(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let queue = self.descriptors.clone();
        self.poll_send(cx, |socket| {
            queue.send_first(|handles| scm_rights::send_with(socket, slices, handles, SEND_FLAGS))
        })
    }

    /// Registers the full socket for writing, or starts a pause if no descriptor is free.
    #[cold]
    fn register(&mut self) -> io::Result<()> {
        let registered = self.socket.as_fd().try_clone_to_owned().and_then(|second| {
            let _guard = self.runtime.enter();
            // SAFETY: the value owns the descriptor, and nothing replaces either before it is
            // dropped.
            Ok(unsafe { AsyncFd::register_with_interest(second, Interest::WRITABLE) }?)
        });
        match registered {
            Ok(registered) => {
                self.full = Some(registered);
                Ok(())
            }
            Err(error) => self.shortage.start(error, &self.runtime),
        }
    }
}

impl AsyncWrite for SocketWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.descriptors.is_empty() {
            return self.poll_send_descriptors(cx, &[IoSlice::new(bytes)]);
        }
        self.poll_send(cx, |socket| send(socket, bytes, SEND_FLAGS))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.descriptors.is_empty() {
            return self.poll_send_descriptors(cx, slices);
        }
        self.poll_send(cx, |socket| sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SEND_FLAGS))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: there is no buffer in this process.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(&self.socket, Shutdown::Write) {
            // The other side has closed its end already.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl Drop for SocketWriter {
    fn drop(&mut self) {
        // If it fails, there is no direction left to end.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (SocketWriter, UnixStream) {
        let (stream, peer) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        (halves(stream.into(), ChannelDescriptors::default()).unwrap().1, peer)
    }

    #[tokio::test]
    async fn a_shortage_of_the_system_is_not_the_end_of_the_stream() {
        let (mut writer, _peer) = pair();
        let left = Cell::new(3);
        let refuses_at_first = |_: &OwnedFd| match left.get() {
            0 => Ok(7),
            refusals => {
                left.set(refusals - 1);
                Err([Errno::NOBUFS, Errno::NOMEM, Errno::NFILE][refusals - 1])
            }
        };
        let sent = std::future::poll_fn(|cx| writer.poll_send(cx, refuses_at_first)).await;
        assert_eq!((sent.unwrap(), left.get()), (7, 0));
        let broken = std::future::poll_fn(|cx| writer.poll_send(cx, |_| Err(Errno::PIPE))).await;
        assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    /// A full socket is registered with the runtime that it was made on: that of the task that
    /// writes may be gone before there is room.
    #[test]
    fn a_write_on_another_runtime_leaves_nothing_there() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (own, other) = (runtime(), runtime());
        let (mut writer, mut peer) = own.block_on(async { pair() });
        let bytes = vec![0; 1 << 20];
        let mut sent = 0;
        other.block_on(std::future::poll_fn(|cx| {
            while let Poll::Ready(written) = Pin::new(&mut writer).poll_write(cx, &bytes) {
                sent += written.unwrap();
            }
            Poll::Ready(())
        }));
        drop(other);
        let read = std::thread::spawn(move || {
            io::Read::read_exact(&mut peer, &mut vec![0; sent]).unwrap();
            peer
        });
        let more = own.block_on(std::future::poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"more")));
        assert_eq!(more.unwrap(), 4);
        read.join().unwrap();
    }
}
