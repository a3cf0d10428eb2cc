use std::io;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    pub(super) fn of(pid: Pid) -> Self {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(None) => Self::Running,
            Ok(Some(_)) => Self::Zombie,
            Err(_) => Self::Reaped,
        }
    }
}

/// Waits for a child's exit without reaping it, by SIGCHLD.
#[derive(Debug)]
pub(super) struct ChildSignal(Signal);

impl ChildSignal {
    pub(super) fn new(_: Pid) -> io::Result<Self> {
        signal(SignalKind::child()).map(Self)
    }

    /// Waits for the exit. Returns at once if the child has exited. Cancel-safe.
    pub(super) async fn ended(&mut self, pid: Pid) {
        // A signal between the query and the wait is not lost.
        while ChildState::of(pid) == ChildState::Running && self.0.recv().await.is_some() {}
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
        assert_eq!(ChildState::of(pid), ChildState::Running);
        drop(child.stdin.take());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), signal.ended(pid));
        ended.await.expect("the exit is reported");
        signal.ended(pid).await;
        assert_eq!(ChildState::of(pid), ChildState::Zombie);
        assert!(child.wait().unwrap().success());
        assert_eq!(ChildState::of(pid), ChildState::Reaped);
        signal.ended(pid).await;
    }
}
