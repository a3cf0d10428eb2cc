//! The ends of the channel that a worker is started with: its standard input, and with some
//! transports its standard output.
//!
//! Only a standard stream can be handed to one child safely: a child that another thread starts at
//! the same moment does not inherit it. Before any other code of the program runs, the ends are
//! moved to numbers that no child inherits. Nothing that the worker starts can therefore read the
//! handshake or write to the host.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use crate::error::with_context;
use crate::saved_stdio::SavedStdio;

static SAVED: SavedStdio<ChannelEnds> = SavedStdio::empty();

/// Descriptors that this process was started with.
pub(in crate::unix) struct ChannelEnds {
    pub(in crate::unix) stdin: OwnedFd,
    /// `None` if the transport does not use the standard output.
    pub(in crate::unix) stdout: Option<OwnedFd>,
}

/// Standard streams that belong to a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::unix) enum Streams {
    Stdin,
    StdinAndStdout,
}

/// Returns an id of the object behind a descriptor. No two objects that are open at the same time
/// share one.
pub(in crate::unix) fn descriptor_id(descriptor: impl AsFd) -> io::Result<String> {
    let stat = rustix::fs::fstat(descriptor)?;
    Ok(format!("{:x}-{:x}", stat.st_dev, stat.st_ino))
}

/// Returns `true` if the descriptor has this id.
pub(in crate::unix) fn has_id(descriptor: impl AsFd, id: &str) -> bool {
    descriptor_id(descriptor).is_ok_and(|found| found == id)
}

/// Moves the standard streams aside and keeps them as the ends of the channel at `address`.
pub(in crate::unix) fn capture(address: &str, streams: Streams) {
    SAVED.save(address.to_owned(), move_aside(streams));
}

/// Returns `true` if this process was started with the ends of the channel at `address`. In a
/// process that a worker starts, it returns `false`.
pub(in crate::unix) fn are_captured(address: &str) -> bool {
    SAVED.contains(address)
}

/// Takes over the ends of the channel at `address`. Succeeds once.
pub(in crate::unix) fn take(address: &str) -> io::Result<ChannelEnds> {
    SAVED.take(address).map_err(|error| match error.kind() {
        io::ErrorKind::NotConnected => error,
        _ => with_context("could not take over the standard streams", error),
    })
}

/// Moves the streams. The standard input is empty from then on, and text that is printed to a moved
/// standard output goes to the standard error.
fn move_aside(streams: Streams) -> io::Result<ChannelEnds> {
    /// Skips the numbers of the standard streams, even if one of them is closed.
    const MIN_NUMBER: i32 = 3;
    let reader = fcntl_dupfd_cloexec(stdin(), MIN_NUMBER)?;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    let writer = match streams {
        Streams::Stdin => None,
        Streams::StdinAndStdout => Some(fcntl_dupfd_cloexec(stdout(), MIN_NUMBER)?),
    };
    dup2_stdin(&null)?;
    if writer.is_some() {
        match stderr().try_clone_to_owned() {
            Ok(stderr) => dup2_stdout(stderr)?,
            // There is no standard error, so printed text is lost.
            Err(_) => dup2_stdout(&null)?,
        }
    }
    Ok(ChannelEnds { stdin: reader, stdout: writer })
}
