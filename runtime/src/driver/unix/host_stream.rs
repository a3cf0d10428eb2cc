//! Standard streams of the host, as far as only the system knows them.
#![allow(unsafe_code)]

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::ptr::null_mut;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

/// Writes the bytes to the stream after those that the host has printed.
///
/// Not through the buffer of `stdout`: what it cannot write would be written once more when the host
/// ends, on a thread that does not block SIGPIPE.
pub(in crate::driver) fn write_all(stream: StandardStream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        StandardStream::Output => write_all_to(io::stdout().lock(), bytes),
        StandardStream::Error => write_all_to(io::stderr().lock(), bytes),
    }
}

fn write_all_to(mut stream: impl Write + AsFd, mut bytes: &[u8]) -> io::Result<()> {
    stream.flush()?;
    while !bytes.is_empty() {
        match rustix::io::write(&stream, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns `false` if a write to the stream would block now.
pub(in crate::driver) fn is_writable(stream: StandardStream) -> bool {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let polled = match stream {
        StandardStream::Output => PollFd::new(&stdout, PollFlags::OUT),
        StandardStream::Error => PollFd::new(&stderr, PollFlags::OUT),
    };
    poll(&mut [polled], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
