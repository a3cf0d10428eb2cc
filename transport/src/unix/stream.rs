//! What all connected sockets have in common.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::socket::{SocketReader, SocketWriter, halves};
use crate::Channel;

pub(super) type SocketChannel = Channel<SocketReader, SocketWriter>;

/// In bytes. The kernel gives less where `net.core.wmem_max` is less. A large body then takes few wake-ups.
const SEND_BUFFER: usize = 1 << 20;

/// The host's channel. The stream does not block.
pub(super) fn channel(stream: StdStream) -> io::Result<SocketChannel> {
    let (reader, writer) = split(stream)?;
    Ok(Channel::new(reader, writer))
}

/// The worker's channel. The stream does not block.
pub(super) fn watched(stream: StdStream) -> io::Result<SocketChannel> {
    let watched = stream.as_fd().try_clone_to_owned()?;
    let (reader, writer) = split(stream)?;
    Ok(Channel::with_hangup(reader, writer, move || wait_for_hangup(&watched)))
}

fn split(stream: StdStream) -> io::Result<(SocketReader, SocketWriter)> {
    // A hint: the stream works with any size.
    let _ = sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
    halves(stream.into())
}

/// Trusts a process of the same user, and root.
pub(super) fn check_user(stream: &StdStream) -> io::Result<()> {
    let peer = peer(stream)?;
    let own = rustix::process::geteuid().as_raw();
    if peer == own || peer == 0 {
        return Ok(());
    }
    let why = format!("the process behind the socket is that of user {peer}, and this one is that of {own}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The user behind the other end.
#[cfg(target_os = "linux")]
fn peer(stream: &StdStream) -> io::Result<u32> {
    Ok(sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// The user behind the other end. Within a runtime, which knows how each system is asked.
#[cfg(not(target_os = "linux"))]
fn peer(stream: &StdStream) -> io::Result<u32> {
    Ok(tokio::net::UnixStream::from_std(stream.try_clone()?)?.peer_cred()?.uid())
}

fn wait_for_hangup(stream: &OwnedFd) {
    // No flag is asked for: a hang-up is told always, and only when both directions are closed.
    while let Err(Errno::INTR) = poll(&mut [PollFd::new(stream, PollFlags::empty())], None) {}
}
