//! The calls to Windows that neither the standard library nor tokio has.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle};

use tokio::net::windows::named_pipe::NamedPipeClient;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_INPUT_HANDLE, SetStdHandle};
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

/// The process that has made the pipe whose client's end is the standard input. An error where it is no pipe.
pub(super) fn server_of_stdin() -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: a handle that is none is refused, and the number is written to a place that lives.
    told(unsafe { GetNamedPipeServerProcessId(io::stdin().as_raw_handle(), &raw mut pid) }).map(|()| pid)
}

/// Takes over the standard input, which is the client's end of a pipe. It is empty from then on. No child inherits the
/// end that is returned.
pub(super) fn take_stdin() -> io::Result<NamedPipeClient> {
    let own = io::stdin().as_handle().try_clone_to_owned()?;
    let nothing = File::open("NUL")?.into_raw_handle();
    // SAFETY: the handle that is closed was inherited as the standard input, which is another one from the line before;
    // whoever asks for the standard input asks the system each time. The one that is set is never closed.
    unsafe {
        let inherited = GetStdHandle(STD_INPUT_HANDLE);
        told(SetStdHandle(STD_INPUT_HANDLE, nothing))?;
        drop(OwnedHandle::from_raw_handle(inherited as RawHandle));
    }
    // SAFETY: the handle is an open end of a named pipe (`server_of_stdin` said so) made for overlapped operations, and
    // nobody else has it.
    unsafe { NamedPipeClient::from_raw_handle(own.into_raw_handle()) }
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

fn told(success: i32) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
