//! Pipes whose ends both belong to this process at first. One end is then handed to a worker.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use uuid::Uuid;
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION};

use super::{acl, win32};
use crate::error::with_context;

/// Buffer size of each direction, in bytes.
const BUFFER_BYTES: u32 = 64 << 10;

/// The direction of the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::windows) enum Direction {
    Both,
    ToWorker,
    FromWorker,
}

/// Returns a name that cannot be guessed.
pub(in crate::windows) fn random_name() -> String {
    format!("isolated-workers-{}", Uuid::new_v4().simple())
}

pub(super) fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

/// Returns the options that the server's ends of all pipes share.
pub(super) fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true).in_buffer_size(BUFFER_BYTES).out_buffer_size(BUFFER_BYTES);
    options
}

/// Makes a pipe, and returns the host's end and the worker's.
pub(in crate::windows) fn pair(direction: Direction) -> io::Result<(NamedPipeServer, OwnedHandle)> {
    let path = path(&random_name());
    let (to_worker, from_worker) = (direction != Direction::FromWorker, direction != Direction::ToWorker);
    let mut options = options();
    options.first_pipe_instance(true).max_instances(1).access_outbound(to_worker).access_inbound(from_worker);
    let server = acl::create(&options, &path)
        .map_err(|error| with_context(&format!("could not make the pipe {path}"), error))?;
    // Opened without tokio: an end can belong to one runtime only, and this one belongs to the
    // worker's.
    let worker_end = OpenOptions::new()
        .read(to_worker)
        .write(from_worker)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(&path)
        .map_err(|error| with_context(&format!("could not open the pipe {path}"), error))?;
    let client = win32::client(&server)
        .map_err(|error| with_context(&format!("could not query the client of the pipe {path}"), error))?;
    if client != std::process::id() {
        let text = format!("could not open the pipe {path}: process {client} opened it first");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok((server, worker_end.into()))
}
