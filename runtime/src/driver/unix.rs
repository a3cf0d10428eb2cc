use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A process and all that it starts: a process group.
pub(super) struct Group;

impl Group {
    /// Starts a process in a group of its own: Ctrl-C at the host's terminal is the host's matter, and the group can be
    /// killed as one.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        Ok((command.process_group(0).spawn()?, Self))
    }

    /// Nothing happens where the process has been waited for: from then on its number may be a stranger's.
    pub(super) fn kill(&mut self, child: &Child) {
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(group) = pid {
            let _ = kill_process_group(group, Signal::KILL);
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
}
