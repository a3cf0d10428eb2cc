//! Moves a worker's standard input and output aside, before any other code of the program runs.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use crate::saved_stdio::SavedStdio;
use crate::unix::sys::stdin::descriptor_id;

/// Reader and writer.
pub(super) static SAVED: SavedStdio<(OwnedFd, OwnedFd)> = SavedStdio::empty();

/// Returns the address of two pipes, given the ids of the worker's ends.
pub(super) fn address(stdin: &str, stdout: &str) -> String {
    format!("{stdin},{stdout}")
}

/// Moves the standard streams aside if they are the pipes at `address`. Returns `true` if they are.
pub(in crate::unix) fn capture(address: &str) -> bool {
    if !are_standard_streams(address) {
        return false;
    }
    SAVED.save(address.to_owned(), move_aside());
    true
}

fn are_standard_streams(expected: &str) -> bool {
    match (descriptor_id(stdin()), descriptor_id(stdout())) {
        (Ok(stdin), Ok(stdout)) => address(&stdin, &stdout) == expected,
        _ => false,
    }
}

fn move_aside() -> io::Result<(OwnedFd, OwnedFd)> {
    /// Skips the numbers of the standard streams, even if one of them is closed.
    const MIN_NUMBER: i32 = 3;
    let reader = fcntl_dupfd_cloexec(stdin(), MIN_NUMBER)?;
    let writer = fcntl_dupfd_cloexec(stdout(), MIN_NUMBER)?;
    let null = std::fs::File::open("/dev/null")?;
    let stderr = match stderr().try_clone_to_owned() {
        Ok(stderr) => stderr,
        // There is no standard error, so printed text is lost.
        Err(_) => std::fs::File::options().write(true).open("/dev/null")?.into(),
    };
    dup2_stdin(null)?;
    dup2_stdout(stderr)?;
    Ok((reader, writer))
}
