//! The calls to Windows that neither the standard library nor tokio has.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle};

use tokio::net::windows::named_pipe::NamedPipeClient;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId};
use windows_sys::Win32::System::Threading::{
    INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// The process that has opened the pipe whose server's end this is.
pub(super) fn client(of: &impl AsRawHandle) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: the handle is open while it is borrowed, and the number is written to a place that lives.
    told(unsafe { GetNamedPipeClientProcessId(of.as_raw_handle(), &raw mut pid) }).map(|()| pid)
}

/// The process that has made the pipe of which this is the client's end. An error where it is no pipe.
pub(super) fn server(of: RawHandle) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: a handle that is none is refused, and the number is written to a place that lives.
    told(unsafe { GetNamedPipeServerProcessId(of, &raw mut pid) }).map(|()| pid)
}

/// What the standard input is now.
pub(super) fn standard_input() -> io::Result<RawHandle> {
    standard(STD_INPUT_HANDLE)
}

/// What the standard output is now.
pub(super) fn standard_output() -> io::Result<RawHandle> {
    standard(STD_OUTPUT_HANDLE)
}

/// What the standard error is now.
pub(super) fn standard_error() -> io::Result<RawHandle> {
    standard(STD_ERROR_HANDLE)
}

fn standard(which: STD_HANDLE) -> io::Result<RawHandle> {
    // SAFETY: takes a number and returns a handle, null where there is none, or an invalid one.
    let handle = unsafe { GetStdHandle(which) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this process has no such standard handle"));
    }
    Ok(handle)
}

/// Takes over the standard input, which is the client's end of a pipe. It is empty from then on. No child inherits the
/// end that is returned.
pub(super) fn take_stdin() -> io::Result<NamedPipeClient> {
    let own = io::stdin().as_handle().try_clone_to_owned()?;
    let nothing = File::open("NUL")?.into_raw_handle();
    // SAFETY: the handle that is closed was inherited as the standard input, which is another one from the line before;
    // whoever asks for the standard input asks the system each time. The one that is set is never closed.
    unsafe {
        let inherited = standard(STD_INPUT_HANDLE)?;
        told(SetStdHandle(STD_INPUT_HANDLE, nothing))?;
        drop(OwnedHandle::from_raw_handle(inherited));
    }
    into_client(own)
}

/// The client's end of a pipe, on the runtime of the caller.
pub(super) fn into_client(end: OwnedHandle) -> io::Result<NamedPipeClient> {
    // SAFETY: the handle is open and nobody else has it. What is neither a pipe nor made for overlapped operations is
    // refused when the runtime takes it in, or by the first of them.
    unsafe { NamedPipeClient::from_raw_handle(end.into_raw_handle()) }
}

/// A process, held on to.
pub(super) struct Process(OwnedHandle);

impl Process {
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: takes numbers and returns a handle or null.
        let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just opened for this call alone.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle as RawHandle) }))
    }

    /// Blocks this thread until the process has ended.
    pub(super) fn wait(&self) {
        // SAFETY: the handle is open while it is borrowed.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) };
    }
}

/// The error of a call that returns whether it succeeded.
pub(super) fn told(success: i32) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
