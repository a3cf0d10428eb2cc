//! What all connected sockets have in common.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::net::UnixStream;

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
pub(super) fn check_user(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if peer == own || peer == 0 {
        return Ok(());
    }
    let why = format!("the process behind the socket is that of user {peer}, and this one is that of {own}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn wait_for_hangup(stream: &OwnedFd) {
    // No flag is asked for: a hang-up is told always, and only when both directions are closed.
    while let Err(Errno::INTR) = poll(&mut [PollFd::new(stream, PollFlags::empty())], None) {}
}
