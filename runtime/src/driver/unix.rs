mod exit;
mod memory;
#[cfg(target_os = "linux")]
mod pidfd;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

#[cfg(not(target_os = "linux"))]
use self::exit::Signals as Exit;
use self::exit::State;
#[cfg(target_os = "linux")]
use self::pidfd::Exit;

/// A process and all that it starts: a process group.
pub(super) struct Group {
    exit: Exit,
    is_killed: bool,
}

impl Group {
    /// Starts a process in a group of its own: Ctrl-C at the host's terminal is the host's matter, and the group can be
    /// killed as one.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let mut child = command.process_group(0).spawn()?;
        // While the program is being loaded: the first time, it takes as long as a tenth of that.
        memory::begin();
        let pid = pid(&child).ok_or(io::ErrorKind::NotFound);
        match pid.map_err(io::Error::from).and_then(Exit::of) {
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

    /// Kills what is there of the group. Nothing happens where its first process has been waited for: from then on its
    /// number may be a stranger's.
    pub(super) fn kill_rest(&self, child: &Child) {
        if let Some(group) = pid(child)
            && State::of(group) != State::Gone
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// QueueStats until the process has ended, and leaves it a zombie, so that its group can still be killed.
    pub(super) async fn ended(&mut self, child: &mut Child) {
        if let Some(pid) = pid(child) {
            self.exit.ended(pid).await;
        }
    }

    /// A group outlives its host anyway.
    pub(super) fn let_go(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn reason(&self, status: ExitStatus) -> ExitReason {
        match (status.code(), status.signal()) {
            (Some(code), _) => ExitReason::Exited(code),
            (None, signal) => ExitReason::Signalled {
                signal: signal.unwrap_or_default(),
                core_dumped: status.core_dumped(),
            },
        }
    }

    /// Whether the system seems to have ended the process for want of memory. To be asked once, when it has ended.
    pub(super) fn ran_out_of_memory(&self, reason: ExitReason) -> bool {
        matches!(reason, ExitReason::Signalled { signal: 9, .. }) && !self.is_killed && memory::has_run_out()
    }
}

/// `None`: it has been waited for.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id()?.cast_signed())
}
