use std::io;
use std::process::ExitStatus;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::signal::unix::{self, SignalKind};

/// State of a child process. Querying it does not reap the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildState {
    Running,
    /// Exited and not reaped: its process id is still reserved.
    Zombie,
    /// Reaped: its process id may belong to another process.
    Reaped,
}

impl ChildState {
    /// Returns `None` if the system cannot query the child in this way.
    pub(super) fn of(child: WaitId<'_>) -> Option<Self> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(child, options) {
            Ok(None) => Some(Self::Running),
            Ok(Some(_)) => Some(Self::Zombie),
            Err(Errno::CHILD) => Some(Self::Reaped),
            Err(_) => None,
        }
    }
}

/// Waits for a child's exit without reaping it, by SIGCHLD.
#[derive(Debug)]
pub(super) struct ChildSignal(unix::Signal);

impl ChildSignal {
    pub(super) fn new(_: Pid) -> io::Result<Self> {
        unix::signal(SignalKind::child()).map(Self)
    }

    /// Waits for the exit. Returns at once if the child has exited. Cancel-safe.
    pub(super) async fn ended(&mut self, pid: Pid) {
        // A signal between the query and the wait is not lost.
        while self.state(pid) == ChildState::Running && self.0.recv().await.is_some() {}
    }

    /// State of the child.
    pub(super) fn state(&self, pid: Pid) -> ChildState {
        ChildState::of(WaitId::Pid(pid)).unwrap_or(ChildState::Reaped)
    }

    /// Kills a child that was not reaped.
    pub(super) fn kill(&self, pid: Pid) {
        let _ = kill_process(pid, Signal::KILL);
    }

    /// Returns the exit status of a child that other code has reaped: `None`, because the system
    /// does not keep it.
    pub(super) fn status_after_reaping(&self) -> Option<ExitStatus> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn an_exit_is_reported_without_reaping_the_child() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut signal = ChildSignal::new(pid).unwrap();
        assert_eq!(signal.state(pid), ChildState::Running);
        drop(child.stdin.take());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), signal.ended(pid));
        ended.await.expect("the exit is reported");
        signal.ended(pid).await;
        assert_eq!(signal.state(pid), ChildState::Zombie);
        assert!(child.wait().unwrap().success());
        assert_eq!(signal.state(pid), ChildState::Reaped);
        signal.ended(pid).await;
    }
}
