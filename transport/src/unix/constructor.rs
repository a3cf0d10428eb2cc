//! What is done in a worker before any other code of the program runs.
//!
//! `main` is too late: by then the constructors of other libraries may have printed or started processes. So the
//! system's loader runs `prepare` with the program's first constructors, in every program that uses this crate. It does
//! nothing unless a host has handed over the very channel that is there.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd};

use super::{NamedPipe, SocketPair, Stdio, UnixSocket, stdio};
use crate::{CHANNEL_VARIABLE, INHERIT_VARIABLE, Transport};

// SAFETY: this section holds functions that the loader calls, one after the other, with arguments that a C function may
// ignore. `prepare` needs nothing of the standard library that `main` has to prepare:
// memory, a lock, descriptors. The lowest number is called first; `#[used]` keeps it though nobody refers to it. The
// section for what comes even earlier, `.preinit_array`, would break programs that link this crate into a shared library.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array.00000"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static PREPARE: extern "C" fn() = prepare;

extern "C" fn prepare() {
    let Some(channel) = variable(CHANNEL_VARIABLE) else { return };
    let Some((transport, address)) = channel.split_once(':') else { return };
    let is_worker = match transport {
        Stdio::NAME => stdio::capture(address),
        UnixSocket::NAME => UnixSocket.is_inherited(address),
        SocketPair::NAME => SocketPair.is_inherited(address),
        NamedPipe::NAME => NamedPipe.is_inherited(address),
        _ => false,
    };
    if !is_worker {
        return;
    }
    if variable(INHERIT_VARIABLE).is_none() {
        close_strays();
    }
    #[cfg(target_os = "linux")]
    wake_when_orphaned();
}

/// Lets the system continue this process when its host dies, so that one that is stopped then sees the end of its stream
/// and ends. It does so, too, when the thread ends that has started this process, where it does no harm.
#[cfg(target_os = "linux")]
fn wake_when_orphaned() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    // Where it is refused, a worker that was stopped stays so, as everywhere else.
    let _ = set_parent_process_death_signal(Some(Signal::CONT));
}

/// A variable of the environment. It may be that of the process that started this one.
fn variable(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
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
    Some(value.to_str().ok()?.to_owned())
}

/// Closes what this process was born with beside its standard streams: descriptors of the host that it, or whoever
/// started it, has not marked to be closed in children.
fn close_strays() {
    #[cfg(target_os = "linux")]
    if let Some(open) = low::all() {
        open.for_each(close_stray);
        return;
    }
    // The list is complete before the first is closed. Where the system has none, they stay.
    let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
    let open: Vec<RawFd> =
        open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    open.into_iter().for_each(close_stray);
}

fn close_stray(number: RawFd) {
    if number <= libc::STDERR_FILENO {
        return;
    }
    // SAFETY: the descriptor is only asked for its flags. It is open, or the question is answered with an error.
    let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) });
    // What would not have outlived the start of a program was opened by this one, or is the list.
    if flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
        // SAFETY: no code of this program has opened it, so that no value in it is its owner.
        unsafe { rustix::io::close(number) };
    }
}

/// The open descriptors of a process that has none above a few hundred, as most, without the system's list of them, which
/// takes longer than the rest of this constructor: it makes a file of each.
#[cfg(target_os = "linux")]
mod low {
    use std::os::fd::{BorrowedFd, RawFd};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const MOST: usize = 256;

    /// The standard streams, beside which most processes are born with none.
    const STANDARD: usize = 3;

    /// Those above the standard streams. `None`: there are others, or it is not known whether there are.
    pub(super) fn all() -> Option<impl Iterator<Item = RawFd>> {
        // Their number, or zero before Linux 6.2.
        let number = rustix::fs::stat("/proc/self/fd").ok()?.st_size;
        let (standard, mut more) = (first::<STANDARD>()?, None);
        if count(&standard) != number {
            let open = first::<MOST>()?;
            if count(&open) != number {
                return None;
            }
            more = Some(open);
        }
        let above = (STANDARD..).zip(more.into_iter().flat_map(|open| open.into_iter().skip(STANDARD)));
        Some(above.filter_map(|(number, is_open)| is_open.then_some(number as RawFd)))
    }

    /// Which of the first descriptors are open. It fails where the process may not have so many.
    fn first<const N: usize>() -> Option<[bool; N]> {
        let mut asked: [PollFd<'_>; N] = std::array::from_fn(|number| {
            // SAFETY: nothing is done with it. It is open, or `poll` says that it is not.
            let number = unsafe { BorrowedFd::borrow_raw(number as RawFd) };
            PollFd::from_borrowed_fd(number, PollFlags::empty())
        });
        poll(&mut asked, Some(&Timespec::default())).ok()?;
        Some(asked.map(|one| !one.revents().contains(PollFlags::NVAL)))
    }

    fn count(open: &[bool]) -> i64 {
        open.iter().map(|is_open| i64::from(*is_open)).sum()
    }
}
