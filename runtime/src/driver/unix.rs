mod attributes;
mod errno;
mod exit;
pub(super) mod host_stream;
mod oom;
#[cfg(target_os = "linux")]
mod pidfd;
#[cfg(target_os = "linux")]
mod pidfd_info;
mod reaper;
pub(super) mod running_program;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

pub(super) use self::attributes::Attributes;
pub(super) use self::errno::refusal;
#[cfg(not(target_os = "linux"))]
use self::exit::ChildSignal as ExitWatch;
use self::exit::ChildState;
#[cfg(target_os = "linux")]
use self::pidfd::ExitWatch;
use super::process::StartError;

/// Process group: a child process, which leads it, and the processes that it starts. Dropping this
/// value kills them, unless they were released.
pub(super) struct ProcessGroup {
    /// Process id of the leader, which is also the number of the group.
    id: Pid,
    /// `None` once the leader was reaped.
    leader: Option<Child>,
    exit: ExitWatch,
    /// `Some` once the leader was reaped.
    reason: Option<ExitReason>,
    is_killed: bool,
    is_released: bool,
}

impl ProcessGroup {
    /// Starts a process in its own group: Ctrl-C at the host's terminal does not reach it, and the
    /// group can be killed as one.
    pub(super) fn spawn(command: &mut Command, attributes: &Attributes) -> Result<Self, StartError> {
        let leader = attributes.spawn(command.process_group(0))?;
        // Runs while the program is being loaded. The first call takes a tenth of that time.
        oom::init();
        let id = leader.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.expect("a child that was not reaped has a pid");
        match ExitWatch::new(id) {
            Ok(exit) => {
                let leader = Some(leader);
                Ok(Self { id, leader, exit, reason: None, is_killed: false, is_released: false })
            }
            Err(error) => {
                kill_started(id, leader);
                Err(StartError::Supervision(error))
            }
        }
    }

    /// Process id of the leader.
    pub(super) fn id(&self) -> u32 {
        self.id.as_raw_pid().cast_unsigned()
    }

    /// Takes the pipes from the leader's standard output and error, if it has any.
    pub(super) fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        let Some(leader) = &mut self.leader else { return (None, None) };
        (leader.stdout.take(), leader.stderr.take())
    }

    /// Sends a SIGTERM to the leader, which ends its own children as it sees fit. The rest of the
    /// group is killed when the leader has ended.
    pub(super) fn terminate(&self) -> bool {
        let is_ours = self.leader.is_some() && self.exit.state(self.id) != ChildState::Reaped;
        is_ours && kill_process(self.id, Signal::TERM).is_ok()
    }

    pub(super) fn kill(&mut self) {
        self.is_killed = true;
        self.kill_members();
    }

    /// Waits until the leader has exited, and kills the rest of the group. Cancel-safe.
    pub(super) async fn wait(&mut self) -> ExitReason {
        loop {
            if let Some(reason) = self.reason {
                return reason;
            }
            self.exit.ended(self.id).await;
            self.reap();
            if self.reason.is_none() {
                // The wait failed, because the runtime shuts down.
                std::future::pending().await
            }
        }
    }

    /// Kills the group of a leader that has exited, and reaps both. Does nothing if the leader
    /// runs.
    fn reap(&mut self) {
        let state = self.exit.state(self.id);
        if state == ChildState::Running {
            return;
        }
        // The number of the group is reserved while the leader is a zombie.
        if !self.is_released {
            self.kill_members();
        }
        let leader = self.leader.take().filter(|_| state == ChildState::Zombie);
        let status = leader.and_then(|mut leader| leader.try_wait().ok().flatten());
        let status = status.or_else(|| self.exit.status_after_reaping());
        self.reason = Some(status.map_or(ExitReason::Unknown, reason));
        if !self.is_released {
            reaper::reap_members(self.id);
        }
    }

    /// Kills the leader and the processes of its group. Does nothing if this value has reaped the
    /// leader: its number may then belong to an unrelated process.
    fn kill_members(&self) {
        if self.leader.is_none() {
            return;
        }
        // If other code of the host has reaped the leader, its number stays reserved as long as the
        // group has members. A process of this number therefore means that there are none.
        let is_reused = || test_kill_process(self.id) != Err(rustix::io::Errno::SRCH);
        let is_ours = self.exit.state(self.id) != ChildState::Reaped;
        if is_ours || !is_reused() {
            let _ = kill_process_group(self.id, Signal::KILL);
        }
        if is_ours {
            // The leader may have moved to another group.
            self.exit.kill(self.id);
        }
    }

    /// Releases the group, so that it outlives this value.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.is_released = true;
        Ok(())
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// Takes back a released group.
    pub(super) fn reclaim(&mut self) {
        self.is_released = false;
    }

    /// Returns `true` if the OOM killer probably killed the process. Called once, after the exit.
    pub(super) fn was_oom_killed(&self, reason: ExitReason) -> bool {
        matches!(reason, ExitReason::Signaled { signal: 9, .. }) && !self.is_killed && oom::has_killed()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.is_released {
            self.kill_members();
            match self.leader.take() {
                // Its number may belong to another child by now.
                Some(_) if self.exit.state(self.id) == ChildState::Reaped => reaper::reap_members(self.id),
                Some(leader) => reaper::reap_killed(self.id, leader),
                None => {}
            }
        }
    }
}

/// Kills the group of a process that was just started, and reaps it.
fn kill_started(id: Pid, leader: Child) {
    let _ = kill_process_group(id, Signal::KILL);
    reaper::reap_killed(id, leader);
}

/// Permissions of a directory that only its user can use.
pub(super) fn private_permissions() -> Option<Permissions> {
    Some(Permissions::from_mode(0o700))
}

fn reason(status: ExitStatus) -> ExitReason {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitReason::Exited(code),
        (None, signal) => {
            ExitReason::Signaled { signal: signal.unwrap_or_default(), core_dumped: status.core_dumped() }
        }
    }
}
