//! A pipe of which one process has both ends from the start, to hand one to a worker.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use uuid::Uuid;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION};

use super::{owner, system};
use crate::error::because;

/// In bytes, each direction.
const BUFFER: u32 = 64 << 10;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Both,
    ToWorker,
    FromWorker,
}

/// A name that nobody can guess.
pub(super) fn random_name() -> String {
    format!("isolated-workers-{}", Uuid::new_v4().simple())
}

pub(super) fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

/// What the server's ends of all pipes have in common.
pub(super) fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true).in_buffer_size(BUFFER).out_buffer_size(BUFFER);
    options
}

/// The host's end and the worker's.
pub(super) fn pair(direction: Direction) -> io::Result<(NamedPipeServer, OwnedHandle)> {
    let path = path(&random_name());
    let (to, from) = (direction != Direction::FromWorker, direction != Direction::ToWorker);
    let mut options = options();
    options.first_pipe_instance(true).max_instances(1).access_outbound(to).access_inbound(from);
    let server = owner::create(&options, &path)
        .map_err(|error| because(&format!("could not make the pipe {path}"), error))?;
    // Not with tokio: the end may belong to one runtime only, and that is the worker's.
    let workers = OpenOptions::new()
        .read(to)
        .write(from)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(&path)
        .map_err(|error| because(&format!("could not open the pipe {path}"), error))?;
    let client = system::client(&server)
        .map_err(|error| because(&format!("could not see who has opened the pipe {path}"), error))?;
    if client != std::process::id() {
        let why = format!("could not open the pipe {path}: process {client} was first");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok((server, workers.into()))
}
