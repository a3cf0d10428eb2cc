//! The standard input that a worker is born with.
//!
//! It is the one descriptor that can be handed to a child without another child, started by another thread at the same
//! moment, inheriting it too. It is moved aside when the worker attaches.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{because, not_inherited};

/// What a descriptor refers to. No two things that are open at the same time have the same.
pub(super) fn identity(of: impl AsFd) -> io::Result<String> {
    let stat = rustix::fs::fstat(of)?;
    Ok(format!("{:x}-{:x}", stat.st_dev, stat.st_ino))
}

/// Whether the standard input is what the host handed over. In a process that a worker started it is not.
pub(super) fn is_stdin(expected: &str) -> bool {
    identity(rustix::stdio::stdin()).is_ok_and(|found| found == expected)
}

/// Takes over the standard input, which is what the host handed over. It is empty from then on.
pub(super) fn take_stdin(expected: &str) -> io::Result<OwnedFd> {
    if !is_stdin(expected) {
        return Err(not_inherited());
    }
    let own = rustix::stdio::stdin().try_clone_to_owned()?;
    close_stdin()?;
    Ok(own)
}

/// Makes the standard input empty.
pub(super) fn close_stdin() -> io::Result<()> {
    let null = std::fs::File::open("/dev/null").map_err(|error| because("/dev/null", error))?;
    Ok(rustix::stdio::dup2_stdin(null)?)
}
