//! Standard streams of the host, as far as only the system knows them.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::driver::output::StandardStream;

/// Blocks SIGPIPE on this thread: if the reader of a stream is gone, a write returns an error and
/// does not end the host.
pub(in crate::driver) fn block_sigpipe() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the first call initializes the set, and the others get an initialized one. None of
    // them fails for these arguments.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), null_mut());
    }
}

/// Writes the bytes to the stream. Waits for a stream that does not block.
///
/// Not through `stdout`: code of the host may hold its lock while it waits for the worker. And what
/// its buffer cannot write would be written once more when the host ends, on a thread that does not
/// block SIGPIPE.
pub(in crate::driver) fn write_all(stream: StandardStream, mut bytes: &[u8]) -> io::Result<()> {
    let stream = descriptor(stream);
    while !bytes.is_empty() {
        match rustix::io::write(stream, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn descriptor(stream: StandardStream) -> BorrowedFd<'static> {
    match stream {
        StandardStream::Output => rustix::stdio::stdout(),
        StandardStream::Error => rustix::stdio::stderr(),
    }
}

/// Returns `false` if a write to the stream would block now.
pub(in crate::driver) fn is_writable(stream: StandardStream) -> bool {
    let stream = descriptor(stream);
    poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
