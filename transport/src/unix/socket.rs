//! The two halves of a connected socket.
//!
//! A socket that is registered for reading and writing wakes its task each time that the other side has read something,
//! because there is room again: twice a call for nothing. So it is registered for reading alone, and for writing only
//! while it takes no more.
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

/// A write to a process that has ended is an error and no signal, whatever this process does with the signal.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
// There it is an option of the socket, which the standard library sets.
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

/// The half of a socket that is read. Ready for reading in the runtime that it was made in.
#[derive(Debug)]
pub struct SocketReader(AsyncFd<Arc<OwnedFd>>);

/// The half of a socket that is written. Ends this direction of the stream when it is dropped.
#[derive(Debug)]
pub struct SocketWriter {
    socket: Arc<OwnedFd>,
    /// A second descriptor of the socket, while that takes no more: each has one registration.
    full: Option<AsyncFd<OwnedFd>>,
}

/// Both halves of a socket that does not block. Within a runtime.
pub(super) fn halves(socket: OwnedFd) -> io::Result<(SocketReader, SocketWriter)> {
    let socket = Arc::new(socket);
    // SAFETY: the value owns the descriptor, and nobody replaces either before it is dropped.
    let reader = unsafe { AsyncFd::register_with_interest(Arc::clone(&socket), Interest::READABLE) }?;
    Ok((SocketReader(reader), SocketWriter { socket, full: None }))
}

impl AsyncRead for SocketReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            // SAFETY: it is given to the system only, which writes to it and does not make it uninitialised.
            let room = unsafe { buf.unfilled_mut() };
            let most = room.len();
            let read = rustix::io::read(self.0.get_ref(), room).map(|(read, _)| read.len());
            match read {
                Ok(read) => {
                    // SAFETY: the system has written so many bytes.
                    unsafe { buf.assume_init(read) };
                    buf.advance(read);
                    if (1..most).contains(&read) {
                        // It is empty, and says so when something comes: asking it again would tell no more.
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

impl SocketWriter {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        send: impl Fn(&OwnedFd) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
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
                    None => {
                        let second = self.socket.as_fd().try_clone_to_owned()?;
                        // SAFETY: the value owns the descriptor, and nobody replaces either before it is dropped.
                        self.full =
                            Some(unsafe { AsyncFd::register_with_interest(second, Interest::WRITABLE) }?);
                    }
                },
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for SocketWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |socket| send(socket, bytes, FLAGS))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |socket| sendmsg(socket, pieces, &mut SendAncillaryBuffer::default(), FLAGS))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(&self.socket, Shutdown::Write) {
            // The other side was faster.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl Drop for SocketWriter {
    fn drop(&mut self) {
        // Where it fails, there is no direction left to end.
        let _ = shutdown(&self.socket, Shutdown::Write);
    }
}
