//! The standard input that a worker is started with.
//!
//! Only a standard stream can be handed to one child safely: a child that another thread starts at
//! the same moment does not inherit it. The descriptor is moved aside when the worker attaches.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{not_inherited, with_context};

/// Returns an id of the object behind a descriptor. No two objects that are open at the same time
/// share one.
pub(in crate::unix) fn descriptor_id(descriptor: impl AsFd) -> io::Result<String> {
    let stat = rustix::fs::fstat(descriptor)?;
    Ok(format!("{:x}-{:x}", stat.st_dev, stat.st_ino))
}

/// Returns `true` if the standard input has this id. In a process that a worker starts, the
/// standard input has a different id.
pub(in crate::unix) fn is_stdin(id: &str) -> bool {
    descriptor_id(rustix::stdio::stdin()).is_ok_and(|found| found == id)
}

/// Takes over the standard input with this id. The standard input is empty from then on.
pub(in crate::unix) fn take_stdin(id: &str) -> io::Result<OwnedFd> {
    if !is_stdin(id) {
        return Err(not_inherited());
    }
    let taken = rustix::stdio::stdin().try_clone_to_owned()?;
    close_stdin()?;
    Ok(taken)
}

/// Replaces the standard input with an empty one.
pub(in crate::unix) fn close_stdin() -> io::Result<()> {
    let null =
        std::fs::File::open("/dev/null").map_err(|error| with_context("could not open /dev/null", error))?;
    Ok(rustix::stdio::dup2_stdin(null)?)
}
