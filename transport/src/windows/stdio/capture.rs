//! Moves the standard input and output of a worker aside before any other code of the program runs.
//!
//! `main` is too late: by then the constructors of other libraries may have printed. So the C runtime calls `capture`
//! before the program's other constructors, in every program that uses this crate. It does nothing unless a host has
//! handed over the very pipes that are there.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use crate::captured::Captured;
use crate::windows::system::{self, told};
use crate::{CHANNEL_VARIABLE, Transport};

/// Reader, writer, and the process id of the host.
pub(super) static CAPTURED: Captured<(OwnedHandle, OwnedHandle, u32)> = Captured::nothing();

// SAFETY: this section holds functions that the C runtime calls, one after the other, in the order of the sections'
// names: those of other libraries are in `.CRT$XCU`. `capture` needs nothing of the standard library that `main` has to
// prepare: memory, a lock, the environment, handles. `#[used]` keeps it though nobody refers to it.
#[used]
#[unsafe(link_section = ".CRT$XCB")]
static CAPTURE: extern "C" fn() = capture;

extern "C" fn capture() {
    let Some(address) = announced() else { return };
    let (Ok(stdin), Ok(stdout)) = (system::standard_input(), system::standard_output()) else { return };
    let Some(host) = common_server(stdin, stdout).filter(|host| host.to_string() == address) else { return };
    CAPTURED.keep(address, move_aside(stdin, stdout).map(|(reader, writer)| (reader, writer, host)));
}

/// The address of the pipes that a host says it has handed over. They may be those of the process that started this one.
fn announced() -> Option<String> {
    let value = std::env::var(CHANNEL_VARIABLE).ok()?;
    Some(value.strip_prefix(super::Stdio::NAME)?.strip_prefix(':')?.to_owned())
}

/// The process that has made both pipes, where both are pipes.
fn common_server(stdin: RawHandle, stdout: RawHandle) -> Option<u32> {
    let server = system::server(stdin).ok()?;
    (system::server(stdout).ok()? == server).then_some(server)
}

fn move_aside(stdin: RawHandle, stdout: RawHandle) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let nothing = File::options().read(true).write(true).open("NUL")?;
    // Where there is no standard error, what is printed is lost.
    let stderr = match system::standard_error() {
        // SAFETY: what the process was started with is open, and nothing has run that could have closed it.
        Ok(stderr) => unsafe { BorrowedHandle::borrow_raw(stderr) }.try_clone_to_owned(),
        Err(error) => Err(error),
    };
    let stderr = stderr.or_else(|_| nothing.as_handle().try_clone_to_owned())?;
    // SAFETY: both are open: they have just been asked for their server. What has kept their numbers finds other things
    // there from now on, which is what is wanted.
    unsafe { Ok((replace(stdin, nothing.as_handle())?, replace(stdout, stderr.as_handle())?)) }
}

/// Puts a copy of `by`, which children may inherit, in the place of a handle, and returns what was there.
///
/// Its number stays the same. A C runtime keeps the numbers that it found when it was loaded, and a process can have
/// several: none of them could be told another one.
///
/// # Safety
/// The handle is open, and nobody minds that it becomes another.
unsafe fn replace(handle: RawHandle, by: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    /// The system gives out the number that was freed last, or the lowest that is free.
    const ATTEMPTS: usize = 256;
    // SAFETY: the handle is open, and after the copy it is closed once.
    let own = unsafe {
        let own = BorrowedHandle::borrow_raw(handle).try_clone_to_owned()?;
        drop(OwnedHandle::from_raw_handle(handle));
        own
    };
    let mut others = Vec::new();
    for _ in 0..ATTEMPTS {
        let copy = inheritable(by)?;
        if copy.as_raw_handle() == handle {
            // It is closed by the end of the process.
            std::mem::forget(copy);
            return Ok(own);
        }
        others.push(copy);
    }
    Err(io::Error::other("the number of a standard handle was taken by another thread"))
}

fn inheritable(handle: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    let mut copy = null_mut();
    // SAFETY: the handle of this process is always open and the other one while it is borrowed; what is made is nobody
    // else's.
    unsafe {
        let process = GetCurrentProcess();
        let source = handle.as_raw_handle();
        told(DuplicateHandle(process, source, process, &raw mut copy, 0, 1, DUPLICATE_SAME_ACCESS))?;
        Ok(OwnedHandle::from_raw_handle(copy))
    }
}
