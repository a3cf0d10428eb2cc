use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A group of its own: Ctrl-C at the host's terminal is the host's matter, and the group can be killed as one.
pub(super) fn isolate(command: &mut Command) {
    command.process_group(0);
}

pub(super) fn kill(child: &mut Child) {
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    if let Some(group) = pid {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

pub(super) fn signal(status: ExitStatus) -> ExitReason {
    ExitReason::Signalled { signal: status.signal().unwrap_or_default(), core_dumped: status.core_dumped() }
}
