//! A read into memory that is not initialized.
#![allow(unsafe_code)]

use std::os::fd::AsFd;

use rustix::io::Errno;
use tokio::io::ReadBuf;

/// Reads once into the free part of `buf`. Returns the number of bytes, 0 at the end of the stream.
pub(in crate::unix) fn read(source: impl AsFd, buf: &mut ReadBuf<'_>) -> Result<usize, Errno> {
    // SAFETY: only the system gets the slice. It writes to it and never makes it uninitialized.
    let room = unsafe { buf.unfilled_mut() };
    let read = rustix::io::read(source, room).map(|(read, _)| read.len())?;
    // SAFETY: the system has written this many bytes.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    Ok(read)
}
