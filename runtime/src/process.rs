//! The driver that runs a worker as a child process.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::{fmt, io};

use isolated_workers_core::{Error, ErrorKind, ExitReason};
use isolated_workers_transport::{Inheritance, Transport};
use tokio::process::{Child, Command};

use crate::Program;
use crate::channel;

#[cfg(not(unix))]
#[path = "process/other.rs"]
mod system;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;

/// A running child process, and all that it started in its group. It does not outlive this value.
pub(crate) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    pub(crate) fn spawn<T: Transport>(program: &Program, inheritance: Inheritance) -> Result<Self, Error> {
        let mut command = Command::new(&program.path);
        let (key, value) = channel::variable::<T>(&inheritance.address);
        command
            .args(&program.args)
            .envs(program.env.iter().map(|(key, value)| (key, value)))
            .env(key, value)
            .stdin(inheritance.stdin.unwrap_or_else(Stdio::null))
            .kill_on_drop(true);
        if let Some(path) = &program.current_dir {
            command.current_dir(path);
        }
        system::isolate(&mut command);
        let child = command.spawn().map_err(|error| spawn_failed(program, error))?;
        let pid = child.id().expect("a child that was not waited for has a pid");
        Ok(Self { child, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end. Cancel-safe; once ended, it answers at once.
    pub(crate) async fn wait(&mut self) -> ExitReason {
        match self.child.wait().await {
            Ok(status) => reason(status),
            // Somebody else has waited for our child: how it ended is lost, but it has.
            Err(_) => ExitReason::Disconnected,
        }
    }

    /// Kills the process and its group, unless it has been waited for: from then on its number may be a stranger's.
    pub(crate) fn kill(&mut self) {
        system::kill(&mut self.child);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid).finish_non_exhaustive()
    }
}

fn reason(status: ExitStatus) -> ExitReason {
    match status.code() {
        Some(code) => ExitReason::Exited(code),
        None => system::signal(status),
    }
}

/// The system says "not found" of a program, its interpreter and its working directory alike.
fn spawn_failed(program: &Program, error: io::Error) -> Error {
    let path = program.path.display();
    let bare = program.path.components().count() == 1;
    let why = match (error.kind(), &program.current_dir) {
        (_, Some(folder)) if !folder.is_dir() => {
            format!("its working directory {} is not there or is no folder", folder.display())
        }
        (io::ErrorKind::NotFound, _) if bare && !Path::new(&program.path).exists() => {
            "no program of this name is in PATH; give its path, or build it first".to_owned()
        }
        (io::ErrorKind::NotFound, _) if !program.path.exists() => {
            "there is no such file; check the path, or build it first".to_owned()
        }
        (io::ErrorKind::PermissionDenied, _) => {
            "the file is not executable; check its permissions".to_owned()
        }
        _ => "the system refused".to_owned(),
    };
    Error::with_source(ErrorKind::Spawn, format!("could not start the worker {path}: {why}"), error)
}
