//! Windows calls that neither the standard library nor tokio offers.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle};

use tokio::net::windows::named_pipe::NamedPipeClient;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId};
use windows_sys::Win32::System::Threading::{
    INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// Returns the id of the process that has opened the pipe, given the server's end.
pub(super) fn client(pipe: &impl AsRawHandle) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: the handle is open while it is borrowed, and the system writes to a live integer.
    check(unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut pid) }).map(|()| pid)
}

/// Returns the id of the process that has made the pipe, given the client's end. Fails if `pipe` is
/// not a pipe.
pub(in crate::windows) fn server(pipe: RawHandle) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: the system refuses an invalid handle, and writes to a live integer.
    check(unsafe { GetNamedPipeServerProcessId(pipe, &raw mut pid) }).map(|()| pid)
}

/// Returns the current standard input.
pub(in crate::windows) fn standard_input() -> io::Result<RawHandle> {
    standard_handle(STD_INPUT_HANDLE)
}

/// Returns the current standard output.
pub(in crate::windows) fn standard_output() -> io::Result<RawHandle> {
    standard_handle(STD_OUTPUT_HANDLE)
}

/// Returns the current standard error.
pub(in crate::windows) fn standard_error() -> io::Result<RawHandle> {
    standard_handle(STD_ERROR_HANDLE)
}

fn standard_handle(which: STD_HANDLE) -> io::Result<RawHandle> {
    // SAFETY: takes a number and returns a handle. It is null if there is none, or invalid.
    let handle = unsafe { GetStdHandle(which) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this process has no such standard handle"));
    }
    Ok(handle)
}

/// Registers the client's end of a pipe with the caller's runtime.
pub(in crate::windows) fn into_client(end: OwnedHandle) -> io::Result<NamedPipeClient> {
    // SAFETY: the handle is open, and nothing else owns it. A handle that is not a pipe, or not
    // made for overlapped operations, is refused by the runtime or by the first operation.
    unsafe { NamedPipeClient::from_raw_handle(end.into_raw_handle()) }
}

/// A handle to a process.
pub(in crate::windows) struct ProcessHandle(OwnedHandle);

impl ProcessHandle {
    pub(in crate::windows) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: takes numbers and returns a handle or null.
        let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just opened, and nothing else owns it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle as RawHandle) }))
    }

    /// Blocks this thread until the process has ended.
    pub(in crate::windows) fn wait(&self) {
        // SAFETY: the handle is open while it is borrowed.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) };
    }
}

/// Turns the success flag of a Windows call into a result.
pub(in crate::windows) fn check(success: i32) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
