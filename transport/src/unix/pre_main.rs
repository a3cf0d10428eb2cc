//! Prepares a worker before any other code of the program runs.
//!
//! `main` is too late: by then constructors of other libraries may have printed or started
//! processes. So the loader calls `prepare` with the first constructors, in every program that
//! links this crate. `prepare` does nothing unless a host has handed over the very channel that
//! this process has.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsRawFd;

use super::sys::channel_ends::{self, Streams, has_id};
use super::sys::stray_descriptors;
use super::{NamedPipe, SocketPair, Stdio, UnixSocket, named_pipe, stdio, unix_socket};
use crate::started::{self, LAUNCHER_VARIABLE};
use crate::{CHANNEL_VARIABLE, REMOTE_STDIO, STRAY_DESCRIPTORS_VARIABLE, Transport};

// SAFETY: this section holds functions that the loader calls one after the other. It passes
// arguments, which a C function may ignore. `prepare` uses nothing that the standard library sets
// up in `main`: only memory, a lock and descriptors. The loader calls the lowest number first.
// `#[used]` keeps the item, which nothing refers to. The earlier section `.preinit_array` would
// break programs that link this crate into a shared library.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array.00000"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static PREPARE: extern "C" fn() = prepare;

extern "C" fn prepare() {
    if has_foreign_rights() {
        return;
    }
    if variable(LAUNCHER_VARIABLE).is_some() {
        // Another program gets the channel.
        started::set();
        close_strays();
        leave_terminal();
        return;
    }
    let Some(channel) = variable(CHANNEL_VARIABLE) else { return };
    let Some((transport, address)) = channel.split_once(':') else { return };
    let own;
    let address = if transport == Stdio::NAME && address == REMOTE_STDIO {
        let Some(found) = adopt_standard_streams() else { return };
        own = found;
        own.as_str()
    } else {
        address
    };
    let streams = match transport {
        Stdio::NAME if stdio::are_standard_streams(address) => Streams::StdinAndStdout,
        UnixSocket::NAME if unix_socket::is_standard_input(address) => Streams::Stdin,
        SocketPair::NAME if has_id(rustix::stdio::stdin(), address) => Streams::Stdin,
        NamedPipe::NAME if named_pipe::is_standard_input(address) => Streams::Stdin,
        _ => return,
    };
    channel_ends::capture(address, streams);
    started::set();
    // The variable stays set: removing it would race with other threads if this library is loaded
    // late. A process that the worker starts ignores it, because it has not inherited the channel.
    close_strays();
    leave_terminal();
    #[cfg(target_os = "linux")]
    continue_when_orphaned();
}

/// Makes the standard streams the channel, and puts their address in place of [`REMOTE_STDIO`]. A
/// process that the worker starts then ignores the variable: it has other streams. Returns `None`
/// if they are closed.
fn adopt_standard_streams() -> Option<String> {
    let address = stdio::own_address().ok()?;
    let name = CString::new(CHANNEL_VARIABLE).ok()?;
    let value = CString::new(format!("{}:{address}", Stdio::NAME)).ok()?;
    // SAFETY: both are terminated by a zero, and are copied. A host starts this process in this way
    // only as a program of its own, so that it has one thread at this point.
    let is_set = unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) } == 0;
    is_set.then_some(address)
}

/// Returns `true` in a program with the set-user-ID bit or the like, which must not obey the
/// environment of the user who has started it.
fn has_foreign_rights() -> bool {
    // SAFETY: takes at most a number.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    // SAFETY: takes no argument.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return unsafe { libc::issetugid() } != 0;
}

fn close_strays() {
    if let Some(list) = variable(STRAY_DESCRIPTORS_VARIABLE) {
        stray_descriptors::close_listed(&list);
    }
}

/// Gives up the controlling terminal. The host starts a worker in a background process group, which
/// the terminal stops as a whole when one of its processes reads from it. Without a terminal,
/// opening `/dev/tty` is an error in the process that does it.
fn leave_terminal() {
    // Fails if there is no terminal, as usual for a service.
    let Ok(terminal) = File::options().read(true).write(true).open("/dev/tty") else { return };
    // SAFETY: the descriptor is open, and the request takes no argument.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
}

/// Makes the system continue this process when its host dies. A stopped worker then sees the end of
/// its stream and ends. The signal also arrives if the thread that started this process ends; it is
/// harmless then.
#[cfg(target_os = "linux")]
fn continue_when_orphaned() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    // If the system refuses, a stopped worker stays stopped, as on other systems.
    let _ = set_parent_process_death_signal(Some(Signal::CONT));
}

/// Returns an environment variable. It may be left over from the process that started this one.
fn variable(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is terminated by a zero, and the value is copied before anything else can run:
    // a program has one thread at this point. If a shared library is loaded later there may be
    // more. They must not change the environment while a library is being loaded, because any
    // constructor may read it.
    let value = unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value)
    };
    Some(value.to_str().ok()?.to_owned())
}
