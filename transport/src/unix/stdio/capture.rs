//! Moves the standard input and output of a worker aside, before any other code of the program runs.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use super::pair;
use crate::captured::Captured;
use crate::unix::inherited::identity;

/// Reader and writer.
pub(super) static CAPTURED: Captured<(OwnedFd, OwnedFd)> = Captured::nothing();

/// Moves the ends at `address` aside, if they were handed to this process.
pub(in crate::unix) fn capture(address: &str) -> bool {
    if !is_here(address) {
        return false;
    }
    CAPTURED.keep(address.to_owned(), move_aside());
    true
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
