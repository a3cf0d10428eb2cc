//! Moves the standard input and output of a worker aside before any other code of the program runs.
//!
//! `main` is too late: by then the constructors of other libraries may have printed. So the system's loader runs
//! `capture` with the program's first constructors, in every program that uses this crate. It does nothing unless a host
//! has handed over the very pipes that are there.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};

use super::pair;
use crate::captured::Captured;
use crate::unix::inherited::identity;
use crate::{Transport, VARIABLE};

/// Reader and writer.
pub(super) static CAPTURED: Captured<(OwnedFd, OwnedFd)> = Captured::nothing();

// SAFETY: this section holds functions that the loader calls, one after the other, with arguments that a C function may
// ignore. `capture` needs nothing of the standard library that `main` has to prepare:
// memory, a lock, descriptors. The lowest number is called first; `#[used]` keeps it though nobody refers to it. The
// section for what comes even earlier, `.preinit_array`, would break programs that link this crate into a shared library.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array.00000"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static CAPTURE: extern "C" fn() = capture;

extern "C" fn capture() {
    let Some(address) = announced() else { return };
    if !is_here(&address) {
        return;
    }
    CAPTURED.keep(address, move_aside());
}

/// The address of the pipes that a host says it has handed over. They may be those of the process that started this one.
fn announced() -> Option<String> {
    let name = CString::new(VARIABLE).ok()?;
    // SAFETY: the name ends with a zero, and the value is copied before anything else can run: the program has one
    // thread. In a shared library that is loaded later there may be more, and none may change the environment while a
    // library is being loaded, as for any other that reads it then.
    let value = unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value)
    };
    let address = value.to_str().ok()?.strip_prefix(super::Stdio::NAME)?.strip_prefix(':')?;
    Some(address.to_owned())
}

fn is_here(address: &str) -> bool {
    match (identity(stdin()), identity(stdout())) {
        (Ok(stdin), Ok(stdout)) => pair(&stdin, &stdout) == address,
        _ => false,
    }
}

fn move_aside() -> io::Result<(OwnedFd, OwnedFd)> {
    /// Neither 0, 1 nor 2, even where one of them is closed.
    const LEAST: i32 = 3;
    let reader = fcntl_dupfd_cloexec(stdin(), LEAST)?;
    let writer = fcntl_dupfd_cloexec(stdout(), LEAST)?;
    let nothing = std::fs::File::open("/dev/null")?;
    let stderr = match stderr().try_clone_to_owned() {
        Ok(stderr) => stderr,
        // There is none: what is printed is lost.
        Err(_) => std::fs::File::options().write(true).open("/dev/null")?.into(),
    };
    dup2_stdin(nothing)?;
    dup2_stdout(stderr)?;
    Ok((reader, writer))
}
