//! Linux: Landlock for files, seccomp for system calls, and resource limits.

mod assembler;
mod calls;
mod confine;
mod files;
mod filter;
mod interpreter;
mod policy_text;
mod pre_main;
mod rows;
mod verify;
mod violation;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use self::policy_text::Access;
pub(crate) use self::policy_text::{MAX_BYTES, Policy, VARIABLE};
pub(crate) use self::pre_main::{EXIT_CODE, announcement};
pub(super) use self::rows::plan;
pub(crate) use self::verify::verify;
use super::Sandbox;
use crate::sandbox::report::{ProtectionState, Report};

/// Returns the policy of a process, as the report plans it. `program` is executed by a launcher, and
/// `scratch_dir` is the private directory of the process.
///
/// # Errors
/// The cause if it cannot be passed on.
pub(crate) fn policy(
    sandbox: &Sandbox,
    report: &Report,
    program: Option<&Path>,
    scratch_dir: Option<&Path>,
) -> Result<String, String> {
    let mut policy = Policy {
        is_launched: program.is_some(),
        kills: sandbox.kills,
        landlock: rows::landlock(),
        limits: sandbox.limits,
        ..Policy::default()
    };
    for row in report.rows() {
        match row.state {
            ProtectionState::Active => policy.protections.insert(row.protection),
            ProtectionState::Degraded => policy.partly.insert(row.protection),
            ProtectionState::Disabled | ProtectionState::Unavailable => {}
        }
    }
    let interpreters = program.map(interpreter::all).unwrap_or_default();
    let listed = [
        (Access::Read, &sandbox.reads),
        (Access::Write, &sandbox.writes),
        (Access::Execute, &sandbox.executes),
        (Access::Load, &interpreters),
    ];
    for (access, paths) in listed {
        for path in paths {
            policy.paths.push((access, absolute(path)?));
        }
    }
    if let Some(path) = scratch_dir {
        policy.paths.push((Access::Write, absolute(path)?));
    }
    let text = policy.to_text();
    match text.len() {
        ..=MAX_BYTES => Ok(text),
        length => {
            Err(format!("its paths take {length} bytes, and may take {MAX_BYTES}; name folders instead"))
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("the path {} is invalid: {error}", path.display()))
}

/// Path of a program that is to be launched. A name without a slash is looked up in `PATH`.
pub(crate) fn find_program(path: &Path) -> PathBuf {
    let is_name = !path.as_os_str().as_encoded_bytes().contains(&b'/');
    let variable = std::env::var_os("PATH").filter(|_| is_name);
    let variable = variable.as_deref().unwrap_or(OsStr::new(""));
    let mut candidates = std::env::split_paths(variable).map(|folder| folder.join(path));
    candidates.find(|path| path.is_file()).unwrap_or_else(|| path.to_owned())
}

/// The refused system call in the standard error of a process that a SIGSYS has ended.
pub(crate) fn refused_call(stderr: &str) -> Option<String> {
    violation::find(stderr)
}

/// Reads a policy text and writes it again, for the fuzzer.
#[doc(hidden)]
pub fn check_policy_text(text: &str) {
    if let Ok(policy) = Policy::parse(text) {
        let again = Policy::parse(&policy.to_text());
        assert_eq!(again.as_ref(), Ok(&policy), "a policy differs after it was written");
    }
}
