//! Moves the ends of a worker's channel aside, before any other code of the program runs.
//!
//! `main` is too late: by then constructors of other libraries may have printed or started
//! processes. So the C runtime calls `prepare` before the program's other constructors, in every
//! program that links this crate. `prepare` does nothing unless a host has handed over the very
//! pipes that this process has.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::sys::win32::{self, check};
use super::{NamedPipe, Stdio, named_pipe, stdio};
use crate::{CHANNEL_VARIABLE, Transport};

// SAFETY: this section holds functions that the C runtime calls one after the other, in the order
// of the sections' names. Those of other libraries are in `.CRT$XCU`. `prepare` uses nothing that
// the standard library sets up in `main`: only memory, a lock, the environment and handles.
// `#[used]` keeps the item, which nothing refers to.
#[used]
#[unsafe(link_section = ".CRT$XCB")]
static PREPARE: extern "C" fn() = prepare;

extern "C" fn prepare() {
    let Ok(channel) = std::env::var(CHANNEL_VARIABLE) else { return };
    match channel.split_once(':') {
        Some((Stdio::NAME, address)) => capture_both(address),
        Some((NamedPipe::NAME, address)) => capture_input(address),
        _ => {}
    }
}

// The address may be left over from the process that started this one.

fn capture_both(address: &str) {
    let (Ok(stdin), Ok(stdout)) = (win32::standard_input(), win32::standard_output()) else { return };
    let Some(host) = common_server(stdin, stdout).filter(|host| host.to_string() == address) else { return };
    let ends = move_aside(stdin, stdout).map(|(reader, writer)| (reader, writer, host));
    stdio::SAVED.save(address.to_owned(), ends);
}

fn capture_input(address: &str) {
    if let Ok(stdin) = win32::standard_input()
        && named_pipe::is_end_of(stdin, address)
    {
        named_pipe::SAVED.save(address.to_owned(), move_input_aside(stdin));
    }
}

/// Returns the id of the process that made both pipes. `None` if either handle is not a pipe, or if
/// different processes made them.
fn common_server(stdin: RawHandle, stdout: RawHandle) -> Option<u32> {
    let server = win32::server(stdin).ok()?;
    (win32::server(stdout).ok()? == server).then_some(server)
}

fn move_input_aside(stdin: RawHandle) -> io::Result<OwnedHandle> {
    let null = File::open("NUL")?;
    // SAFETY: the handle is open: `is_end_of` has just queried it. Code that has kept its number
    // gets the replacement from now on, as intended.
    unsafe { replace(stdin, null.as_handle()) }
}

fn move_aside(stdin: RawHandle, stdout: RawHandle) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let null = File::options().read(true).write(true).open("NUL")?;
    // Without a standard error, printed text is lost.
    let stderr = match win32::standard_error() {
        // SAFETY: a handle that the process was started with is open, and no code has run that
        // could have closed it.
        Ok(stderr) => unsafe { BorrowedHandle::borrow_raw(stderr) }.try_clone_to_owned(),
        Err(error) => Err(error),
    };
    let stderr = stderr.or_else(|_| null.as_handle().try_clone_to_owned())?;
    // SAFETY: both are open: `common_server` has just queried them. Code that has kept their
    // numbers gets the replacements from now on, as intended.
    unsafe { Ok((replace(stdin, null.as_handle())?, replace(stdout, stderr.as_handle())?)) }
}

/// Replaces the object behind a handle with a copy of `replacement` that children inherit, and
/// returns a handle to the old object.
///
/// The number of the handle stays the same. A C runtime keeps the numbers that it found when it was
/// loaded, and a process can have several C runtimes. None of them can be given another number.
///
/// # Safety
/// `handle` must be open, and no code may rely on the object behind it.
unsafe fn replace(handle: RawHandle, replacement: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    /// The system assigns the number that was freed last, or the lowest free one.
    const MAX_ATTEMPTS: usize = 256;
    // SAFETY: the handle is open, and it is closed once, after the copy was made.
    let original = unsafe {
        let original = BorrowedHandle::borrow_raw(handle).try_clone_to_owned()?;
        drop(OwnedHandle::from_raw_handle(handle));
        original
    };
    let mut others = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        let copy = inheritable_copy(replacement)?;
        if copy.as_raw_handle() == handle {
            // It stays open until the process ends.
            std::mem::forget(copy);
            return Ok(original);
        }
        others.push(copy);
    }
    Err(io::Error::other("could not replace a standard handle: another thread has taken its number"))
}

fn inheritable_copy(handle: BorrowedHandle<'_>) -> io::Result<OwnedHandle> {
    let mut copy = null_mut();
    // SAFETY: the handle of this process is always open, and the other one while it is borrowed.
    // Only the returned value owns the copy.
    unsafe {
        let process = GetCurrentProcess();
        let source = handle.as_raw_handle();
        check(DuplicateHandle(process, source, process, &raw mut copy, 0, 1, DUPLICATE_SAME_ACCESS))?;
        Ok(OwnedHandle::from_raw_handle(copy))
    }
}
