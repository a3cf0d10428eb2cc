//! A descriptor that is passed through a connection, before anything else.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::error::because;

/// A descriptor goes with a byte.
const WITH: [u8; 1] = [0];

/// Passes `descriptor` to whoever has the other end, be it there yet or not.
pub(super) fn send(stream: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    message.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream, &[IoSlice::new(&WITH)], &mut message, SendFlags::empty())?;
    Ok(())
}

/// Takes over the descriptor that was passed. It is closed in children.
pub(super) fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut message, flags());
    let received = received.map_err(|error| failed(error.into()))?;
    let descriptor = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match descriptor {
        Some(descriptor) => closed_in_children(descriptor),
        None if received.bytes == 0 => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        None => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "something else came"))),
    }
}

fn failed(error: io::Error) -> io::Error {
    because("could not take over the socket that the host passes first", error)
}

#[cfg(not(target_vendor = "apple"))]
fn flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_vendor = "apple"))]
fn closed_in_children(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    Ok(descriptor)
}

/// There is no such flag: a child that another thread starts in this moment has the descriptor, too.
#[cfg(target_vendor = "apple")]
fn flags() -> RecvFlags {
    RecvFlags::empty()
}

#[cfg(target_vendor = "apple")]
fn closed_in_children(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(descriptor)
}
