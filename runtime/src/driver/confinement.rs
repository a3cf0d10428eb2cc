//! Start of a program in a sandbox, and the explanation of its end.

use std::ffi::OsStr;
use std::path::Path;

use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason, SandboxEnd};
#[cfg(target_os = "linux")]
use isolated_workers_transport::LAUNCHER_VARIABLE;
use tokio::process::Command;

use super::Program;
use super::system::running_program;
#[cfg(target_os = "linux")]
use crate::sandbox::{self, Protection};
use crate::sandbox::{Report, Sandbox, Way};

/// Signals that end a process at a limit.
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;
#[cfg(target_os = "linux")]
const SIGSYS: i32 = 31;

/// Text that programs write when an allocation fails: those in Rust, and those in C++.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of ", "std::bad_alloc"];

/// Confinement of one process.
#[derive(Debug)]
pub(super) struct Confinement {
    sandbox: Sandbox,
    way: Way,
    report: Report,
}

impl Confinement {
    /// # Errors
    /// `Sandbox` if the system lacks a protection that must be had.
    pub(super) fn plan(program: &Program, sandbox: Sandbox) -> Result<Self, Error> {
        let way = if program.is_current_exe { Way::Own } else { Way::Launched };
        let subject = format!("the worker {}", program.path.display());
        if way == Way::Launched
            && let Some((name, _)) =
                program.env.iter().find(|(name, value)| value.is_some() && acts_on_loader(name))
        {
            let cause =
                format!("the variable {} would act on the launcher, before it is confined", name.display());
            let remedy = "set it in a script around the program, or link the program with a run path";
            let text = format!("could not confine {subject}: {cause}; {remedy}");
            return Err(Error::new(ErrorKind::Sandbox, text));
        }
        let report = sandbox.planned(way, &subject)?;
        Ok(Self { sandbox, way, report })
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the command that starts the process, with the environment variables of the host that
    /// it keeps.
    #[cfg(target_os = "linux")]
    pub(super) fn command(&self, program: &Program) -> Command {
        // The running program itself, and not what may by now be at its path: it is known to confine
        // itself.
        let mut command = Command::new(running_program::RUNNING);
        command.arg0(&program.path);
        if self.report.is_active(Protection::Environment) {
            command.env_clear();
            command.envs(std::env::vars_os().filter(|(name, _)| self.sandbox.keeps_variable(name)));
        }
        command
    }

    /// Returns the command that starts the process.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn command(&self, program: &Program) -> Command {
        running_program::command(program)
    }

    /// Passes the policy to the process.
    ///
    /// # Errors
    /// `Sandbox` if it cannot be passed.
    #[cfg(target_os = "linux")]
    pub(super) fn pass(
        &self,
        command: &mut Command,
        program: &Program,
        scratch_dir: Option<&Path>,
    ) -> Result<(), Error> {
        let target = match self.way {
            Way::Own => None,
            Way::Launched => Some(sandbox::find_program(&program.path)),
        };
        // As the process will find it.
        let folder = program.current_dir.as_deref().unwrap_or(Path::new(""));
        let file = target.as_deref().map(|target| folder.join(target));
        let text = sandbox::policy(&self.sandbox, &self.report, file.as_deref(), scratch_dir);
        let text = text.map_err(|cause| {
            let text = format!("could not confine the worker {}: {cause}", program.path.display());
            Error::new(ErrorKind::Sandbox, text)
        })?;
        command.env(sandbox::VARIABLE, text);
        match target {
            Some(target) => command.env(LAUNCHER_VARIABLE, target),
            None => command.env_remove(LAUNCHER_VARIABLE),
        };
        Ok(())
    }

    /// Does nothing: no system but Linux has protections.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(super) fn pass(&self, _: &mut Command, _: &Program, _: Option<&Path>) -> Result<(), Error> {
        let _ = (self.way, ErrorKind::Sandbox);
        Ok(())
    }

    /// Names the limit that has ended the process, if one has.
    pub(super) fn explain(&self, crash: &mut Crash, stderr: &str) {
        let limits = self.sandbox.limits();
        crash.sandbox = match crash.reason {
            #[cfg(target_os = "linux")]
            ExitReason::Signaled { signal: SIGSYS, .. } => {
                Some(SandboxEnd::SystemCall { name: sandbox::refused_call(stderr) })
            }
            ExitReason::Signaled { signal: SIGXCPU, .. } => {
                limits.cpu_time.map(|seconds| SandboxEnd::CpuTime { seconds })
            }
            ExitReason::Signaled { signal: SIGXFSZ, .. } => {
                limits.file_size.map(|bytes| SandboxEnd::FileSize { bytes })
            }
            _ if OUT_OF_MEMORY.iter().any(|text| stderr.contains(text)) => {
                limits.memory.map(|bytes| SandboxEnd::Memory { bytes })
            }
            _ => None,
        };
    }
}

/// Returns `true` if the dynamic loader or the C library obeys this variable before any other code
/// runs.
fn acts_on_loader(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"LD_") || name == "GLIBC_TUNABLES"
}

/// Removes what a host that is itself confined would pass on.
pub(super) fn forget(command: &mut Command) {
    #[cfg(target_os = "linux")]
    command.env_remove(sandbox::VARIABLE).env_remove(LAUNCHER_VARIABLE);
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
