//! Confines a process before any other code of its program runs.
//!
//! `main` is too late: by then other code of the program may have started threads, which would stay
//! free. So the loader calls `prepare` with the first constructors, behind the function of the
//! transport that closes the descriptors which the process has inherited by accident.
//!
//! Without a policy of a host, `prepare` does nothing. If a step fails, the process ends: it never
//! reaches `main`.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use isolated_workers_transport::{LAUNCHER_VARIABLE, is_started_by_host};

use super::confine::{confine, tighten};
use super::policy_text::{Policy, VARIABLE};
use crate::sandbox::announcement::write;
use crate::sandbox::plan::ADDED_BY_PROGRAM;

/// Exit code of a process that could not confine itself. Its standard error says why.
pub(crate) const EXIT_CODE: i32 = 125;

// SAFETY: this section holds functions that the loader calls one after the other, lower numbers
// first. It passes arguments, which a C function may ignore. `prepare` uses nothing that the standard
// library sets up in `main`. `#[used]` keeps the item, which nothing refers to.
#[used]
#[unsafe(link_section = ".init_array.00001")]
static PREPARE: extern "C" fn() = prepare;

/// Protections that this process has set up, as its handshake announces them.
static ANNOUNCEMENT: OnceLock<String> = OnceLock::new();

/// Announcement of this process. `None` if it is not confined.
pub(crate) fn announcement() -> Option<&'static str> {
    ANNOUNCEMENT.get().map(String::as_str)
}

/// Address of the function that confines, which lies in the file that contains it.
pub(super) fn address() -> usize {
    PREPARE as usize
}

extern "C" fn prepare() {
    if !is_started_by_host() {
        return;
    }
    let program = std::env::var_os(LAUNCHER_VARIABLE);
    let Some(text) = std::env::var_os(VARIABLE) else {
        match program {
            Some(_) => end("the launcher has no policy"),
            None => return,
        }
    };
    let policy = text.to_str().ok_or_else(|| "the policy is not UTF-8".to_owned()).and_then(Policy::parse);
    let confined = policy.and_then(|policy| match &program {
        Some(program) => launch(program, &policy),
        None if policy.is_launched => tighten(&policy).map(|()| policy),
        None => confine(&policy, None).map(|()| policy),
    });
    match confined {
        Ok(policy) => announce(&policy),
        Err(cause) => end(&cause),
    }
}

fn announce(policy: &Policy) {
    let mut protections = policy.protections;
    if policy.is_launched && policy.partly.contains(ADDED_BY_PROGRAM) {
        protections.insert(ADDED_BY_PROGRAM);
    }
    let _ = ANNOUNCEMENT.set(write(protections));
}

/// Confines this process and executes the program. Returns only if that fails.
fn launch(program: &OsStr, policy: &Policy) -> Result<Policy, String> {
    if !policy.is_launched {
        return Err("the policy is not for a launched program".to_owned());
    }
    // The standard library knows the arguments only in `main`, with some C libraries.
    let arguments = std::fs::read("/proc/self/cmdline")
        .map_err(|error| format!("could not read the arguments of the program: {error}"))?;
    confine(policy, Some(Path::new(program)))?;
    let mut arguments = arguments.strip_suffix(b"\0").unwrap_or(&arguments).split(|byte| *byte == 0);
    let name = arguments.next().map_or(program, OsStr::from_bytes);
    let error = Command::new(program)
        .arg0(name)
        .args(arguments.map(|argument| OsString::from_vec(argument.to_vec())))
        .env_remove(LAUNCHER_VARIABLE)
        .exec();
    Err(format!("could not execute {}: {error}", Path::new(program).display()))
}

fn end(cause: &str) -> ! {
    eprintln!("isolated-workers: could not set up the sandbox: {cause}");
    // SAFETY: takes a number and does not return. No exit handler runs, since none was set up.
    unsafe { libc::_exit(EXIT_CODE) }
}
