//! Passes descriptors through a socket (`SCM_RIGHTS`): one before anything else is sent, and those
//! of a frame with its first byte.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::DescriptorBatch;
use crate::error::with_context;

/// Byte that carries the descriptor: ancillary data needs at least one byte of data.
const CARRIER: [u8; 1] = [0];

/// Sends `descriptor` to the process at the other end, which need not have started yet.
pub(in crate::unix) fn send(stream: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    message.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream, &[IoSlice::new(&CARRIER)], &mut message, SendFlags::empty())?;
    Ok(())
}

/// Sends `handles`, at most [`DescriptorBatch::MAX`], with the first byte of `slices`. Returns the
/// number of bytes that were sent.
pub(in crate::unix) fn send_with(
    stream: impl AsFd,
    slices: &[IoSlice<'_>],
    handles: &[OwnedFd],
    flags: SendFlags,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DescriptorBatch::MAX))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = handles.iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() && !message.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(stream, slices, &mut message, flags)
}

/// Receives the descriptor. Children do not inherit it.
pub(in crate::unix) fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
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
        Some(descriptor) => with_cloexec(descriptor),
        None if received.flags.contains(ReturnFlags::CTRUNC) => Err(failed(io::Error::other(
            "this process has no free descriptor; raise its limit (`ulimit -n`), or close descriptors before `serve`",
        ))),
        None if received.bytes == 0 => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        None => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "the host sent no descriptor"))),
    }
}

fn failed(error: io::Error) -> io::Error {
    with_context("could not receive the listening socket from the host", error)
}

#[cfg(not(target_vendor = "apple"))]
fn flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_vendor = "apple"))]
fn with_cloexec(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    Ok(descriptor)
}

/// macOS has no such flag. A child that another thread starts before `with_cloexec` inherits the
/// descriptor.
#[cfg(target_vendor = "apple")]
fn flags() -> RecvFlags {
    RecvFlags::empty()
}

#[cfg(target_vendor = "apple")]
fn with_cloexec(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(descriptor)
}
