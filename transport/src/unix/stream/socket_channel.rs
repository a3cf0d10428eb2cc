//! Channels over one connected socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::socket::{SocketReader, SocketWriter, halves};
use crate::{Channel, ChannelDescriptors};

pub(in crate::unix) type SocketChannel = Channel<SocketReader, SocketWriter>;

/// Requested size of the send buffer, in bytes. A large body then takes few wake-ups. The kernel
/// caps the size at `net.core.wmem_max`.
const SEND_BUFFER_BYTES: usize = 1 << 20;

/// Returns the host's channel over a non-blocking stream.
pub(in crate::unix) fn host_channel(stream: StdStream) -> io::Result<SocketChannel> {
    let descriptors = ChannelDescriptors::default();
    let (reader, writer) = split(stream, descriptors.clone())?;
    Ok(Channel::new(reader, writer).descriptors(descriptors))
}

/// Returns the worker's channel over a non-blocking stream. It detects that the host is gone.
pub(in crate::unix) fn worker_channel(stream: StdStream) -> io::Result<SocketChannel> {
    let watched = watched(&stream)?;
    worker_channel_with(stream, watched)
}

/// Returns a second descriptor of the stream, for [`worker_channel_with`].
pub(in crate::unix) fn watched(stream: &StdStream) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

/// Returns the worker's channel over a non-blocking stream. `watched` detects that the host is
/// gone.
pub(in crate::unix) fn worker_channel_with(stream: StdStream, watched: OwnedFd) -> io::Result<SocketChannel> {
    let descriptors = ChannelDescriptors::default();
    let (reader, writer) = split(stream, descriptors.clone())?;
    let channel = Channel::with_hangup(reader, writer, move || wait_for_hangup(&watched));
    Ok(channel.descriptors(descriptors))
}

fn split(stream: StdStream, descriptors: ChannelDescriptors) -> io::Result<(SocketReader, SocketWriter)> {
    // A write to a process that has ended is an error instead of a signal. Elsewhere each write has
    // a flag for that.
    #[cfg(target_vendor = "apple")]
    sockopt::set_socket_nosigpipe(&stream, true)?;
    // A hint: the stream works with any size.
    let _ = sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
    halves(stream.into(), descriptors)
}

/// Returns an error unless the process at the other end runs as the same user or as root.
pub(in crate::unix) fn check_peer_user(stream: &StdStream) -> io::Result<()> {
    let peer = peer_user(stream)?;
    let own = rustix::process::geteuid().as_raw();
    if peer == own || peer == 0 {
        return Ok(());
    }
    let text = format!(
        "could not trust the process at the other end of the socket: it runs as user {peer}, and this process as \
         user {own}; run both as the same user"
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Returns the user of the process at the other end.
#[cfg(target_os = "linux")]
fn peer_user(stream: &StdStream) -> io::Result<u32> {
    Ok(sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// Returns the user of the process at the other end. Call it within a tokio runtime: tokio knows
/// the system call of each system.
#[cfg(not(target_os = "linux"))]
fn peer_user(stream: &StdStream) -> io::Result<u32> {
    Ok(tokio::net::UnixStream::from_std(stream.try_clone()?)?.peer_cred()?.uid())
}

fn wait_for_hangup(stream: &OwnedFd) {
    // No events are requested: the system always reports a hang-up, and only after both directions
    // are closed.
    while let Err(Errno::INTR) = poll(&mut [PollFd::new(stream, PollFlags::empty())], None) {}
}
