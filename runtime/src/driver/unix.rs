mod exit;
mod oom;
#[cfg(target_os = "linux")]
mod pidfd;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

#[cfg(not(target_os = "linux"))]
use self::exit::ChildSignal as ExitWatch;
use self::exit::ChildState;
#[cfg(target_os = "linux")]
use self::pidfd::ExitWatch;

/// Process group: a child process and the processes that it starts.
pub(super) struct ProcessGroup {
    exit: ExitWatch,
    is_killed: bool,
}

impl ProcessGroup {
    /// Starts a process in its own group: Ctrl-C at the host's terminal does not reach it, and the
    /// group can be killed as one.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let mut child = command.process_group(0).spawn()?;
        // Runs while the program is being loaded. The first call takes a tenth of that time.
        oom::init();
        let pid = pid(&child).ok_or(io::ErrorKind::NotFound);
        match pid.map_err(io::Error::from).and_then(ExitWatch::new) {
            Ok(exit) => Ok((child, Self { exit, is_killed: false })),
            Err(error) => {
                let _ = child.start_kill();
                Err(error)
            }
        }
    }

    pub(super) fn kill(&mut self, child: &Child) {
        self.is_killed = true;
        self.kill_rest(child);
    }

    /// Kills the processes of the group. Does nothing if the leader was reaped: its id may then
    /// belong to an unrelated process.
    pub(super) fn kill_rest(&self, child: &Child) {
        if let Some(group) = pid(child)
            && ChildState::of(group) != ChildState::Reaped
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Waits until the process has exited. Leaves it a zombie, so that its group can be killed.
    pub(super) async fn ended(&mut self, child: &mut Child) {
        if let Some(pid) = pid(child) {
            self.exit.ended(pid).await;
        }
    }

    /// Does nothing: a process group outlives its host.
    pub(super) fn release(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn reason(&self, status: ExitStatus) -> ExitReason {
        match (status.code(), status.signal()) {
            (Some(code), _) => ExitReason::Exited(code),
            (None, signal) => {
                ExitReason::Signaled { signal: signal.unwrap_or_default(), core_dumped: status.core_dumped() }
            }
        }
    }

    /// Returns `true` if the OOM killer probably killed the process. Called once, after the exit.
    pub(super) fn was_oom_killed(&self, reason: ExitReason) -> bool {
        matches!(reason, ExitReason::Signaled { signal: 9, .. }) && !self.is_killed && oom::has_killed()
    }
}

/// Returns `None` if the child was reaped.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id()?.cast_signed())
}
