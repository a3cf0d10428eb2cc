//! A read that takes descriptors (`SCM_RIGHTS`), into memory that is not initialized.
//!
//! The system closes the descriptors that do not fit into the space for them, so a peer cannot make
//! this process open more than [`DescriptorBatch::MAX`] with one read. On Linux a descriptor is
//! close-on-exec from the start. On macOS it is set after the read: a child that another thread
//! starts in between inherits the descriptor.
#![allow(unsafe_code)]

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use tokio::io::ReadBuf;

use crate::{DescriptorBatch, DescriptorQueue};

#[cfg(not(target_vendor = "apple"))]
const FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const FLAGS: libc::c_int = 0;

/// Size in bytes of the space for a batch. `CMSG_SPACE` cannot be used here, because it may round
/// up to space for one descriptor more.
const SPACE_BYTES: usize = HEADER_BYTES + DescriptorBatch::MAX * size_of::<libc::c_int>();

/// Size of the header of a control message, aligned to the size of a pointer at most.
const HEADER_BYTES: usize = size_of::<libc::cmsghdr>().next_multiple_of(size_of::<libc::c_int>());

/// Space for one control message, aligned for its header.
#[repr(C, align(8))]
struct Space(MaybeUninit<[u8; SPACE_BYTES]>);

/// Reads once into the free part of `buf`. Adds descriptors that have arrived to `queue`. Returns
/// the number of bytes, 0 at the end of the stream.
pub(in crate::unix) fn read_with_descriptors(
    source: impl AsFd,
    buf: &mut ReadBuf<'_>,
    queue: &DescriptorQueue,
) -> Result<usize, Errno> {
    let mut space = Space(MaybeUninit::uninit());
    // SAFETY: only the system gets the slice. It writes to it and never makes it uninitialized.
    let room = unsafe { buf.unfilled_mut() };
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: the structure is plain data, for which zeros are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut space.0).cast();
    message.msg_controllen = SPACE_BYTES as _;
    // SAFETY: the message refers to memory that is valid for these lengths during the call.
    let read = unsafe { libc::recvmsg(source.as_fd().as_raw_fd(), &raw mut message, FLAGS) };
    let Ok(read) = usize::try_from(read) else {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    };
    // SAFETY: the system has written this many bytes.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    let is_incomplete = message.msg_flags & libc::MSG_CTRUNC != 0;
    if message.msg_controllen > 0 || is_incomplete {
        let handles = take_handles(&message);
        if is_incomplete || !handles.is_empty() {
            queue.push(DescriptorBatch { handles, is_incomplete });
        }
    }
    Ok(read)
}

/// Takes the descriptors of a message that the system has filled in.
#[cold]
#[allow(clippy::unnecessary_cast, reason = "the type of a length depends on the system")]
fn take_handles(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut handles = Vec::new();
    // SAFETY: the system has written the headers in the space of the message, and the functions
    // stay within the length that it has set. Each number is an open descriptor that nothing else
    // owns. Numbers need not be aligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(found) = header.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header);
                let bytes = (found.cmsg_len as usize).saturating_sub(data as usize - header as usize);
                for index in 0..bytes / size_of::<libc::c_int>() {
                    let number = data.cast::<libc::c_int>().add(index).read_unaligned();
                    handles.push(with_cloexec(OwnedFd::from_raw_fd(number)));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    handles
}

#[cfg(not(target_vendor = "apple"))]
fn with_cloexec(handle: OwnedFd) -> OwnedFd {
    handle
}

#[cfg(target_vendor = "apple")]
fn with_cloexec(handle: OwnedFd) -> OwnedFd {
    // It does not fail for an open descriptor.
    let _ = rustix::io::fcntl_setfd(&handle, rustix::io::FdFlags::CLOEXEC);
    handle
}
