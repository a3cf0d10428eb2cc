//! Named pipes (FIFOs).
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::with_context;

/// The direction in which an end of a pipe is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::unix) enum Direction {
    Read,
    Write,
}

/// Makes a pipe at `path` that only the user can open. Fails if something exists there.
pub(in crate::unix) fn make(path: &Path) -> io::Result<()> {
    let text = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `text` is terminated by a zero and lives until the call returns. rustix has no
    // `mkfifo` for macOS.
    match unsafe { libc::mkfifo(text.as_ptr(), 0o600) } {
        0 => Ok(()),
        _ => Err(failed("make", path, io::Error::last_os_error())),
    }
}

/// Opens an end of the pipe at `path` without waiting for the other end.
pub(in crate::unix) fn open(path: &Path, direction: Direction) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = OpenOptions::new()
        .read(direction == Direction::Read)
        .write(direction == Direction::Write)
        .custom_flags(flags)
        .open(path);
    file.map_err(|error| {
        if has_no_reader(&error) {
            let text = format!(
                "could not open the pipe {}: the host has ended; start the worker again",
                path.display()
            );
            return io::Error::new(io::ErrorKind::NotConnected, text);
        }
        failed("open", path, error)
    })
}

/// Returns `file` if it is a pipe that belongs to this user or to root.
pub(in crate::unix) fn check_owner(path: &Path, file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.file_type().is_fifo() && (metadata.uid() == user || metadata.uid() == 0) {
        return Ok(file);
    }
    let text = format!(
        "could not trust {}: it is not a pipe of user {user}; run host and worker as the same user",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

pub(in crate::unix) fn failed(verb: &str, path: &Path, error: io::Error) -> io::Error {
    with_context(&format!("could not {verb} the pipe {}", path.display()), error)
}

fn has_no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}
