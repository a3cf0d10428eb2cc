//! Moves the standard input and output of a worker aside, before any other code of the program runs.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use super::pair;
use crate::unix::inherited::{identity, not_inherited};

/// What was moved aside.
struct Captured {
    address: String,
    /// Reader and writer. `None`: a worker has attached.
    ends: io::Result<Option<(OwnedFd, OwnedFd)>>,
}

static CAPTURED: Mutex<Option<Captured>> = Mutex::new(None);

/// Moves the ends at `address` aside, if they were handed to this process.
pub(in crate::unix) fn capture(address: &str) -> bool {
    if !is_here(address) {
        return false;
    }
    *CAPTURED.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Captured { ends: move_aside().map(Some), address: address.to_owned() });
    true
}

/// Whether the ends at `address` were handed to this process.
pub(super) fn has(address: &str) -> bool {
    let captured = CAPTURED.lock().unwrap_or_else(PoisonError::into_inner);
    captured.as_ref().is_some_and(|captured| captured.address == address)
}

/// Takes the ends at `address`, reader first. Works once.
pub(super) fn take(address: &str) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut captured = CAPTURED.lock().unwrap_or_else(PoisonError::into_inner);
    let captured = captured.as_mut().filter(|captured| captured.address == address);
    match captured.ok_or_else(not_inherited)?.ends.as_mut() {
        Ok(ends) => ends.take().ok_or_else(not_inherited),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

fn is_here(address: &str) -> bool {
    match (identity(stdin()), identity(stdout())) {
        (Ok(stdin), Ok(stdout)) => pair(&stdin, &stdout) == address,
        _ => false,
    }
}

fn move_aside() -> io::Result<(OwnedFd, OwnedFd)> {
    /// Neither 0, 1 nor 2, even where one of them is closed.
    const LEAST: i32 = 3;
    let reader = fcntl_dupfd_cloexec(stdin(), LEAST)?;
    let writer = fcntl_dupfd_cloexec(stdout(), LEAST)?;
    let nothing = std::fs::File::open("/dev/null")?;
    let stderr = match stderr().try_clone_to_owned() {
        Ok(stderr) => stderr,
        // There is none: what is printed is lost.
        Err(_) => std::fs::File::options().write(true).open("/dev/null")?.into(),
    };
    dup2_stdin(nothing)?;
    dup2_stdout(stderr)?;
    Ok((reader, writer))
}
