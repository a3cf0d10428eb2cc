use std::io;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is known of a child, which is not waited for by asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// It has ended, and its number is its own until it is waited for.
    Zombie,
    /// Somebody has waited for it: its number may be a stranger's.
    Gone,
}

impl State {
    pub(super) fn of(pid: Pid) -> Self {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(None) => Self::Running,
            Ok(Some(_)) => Self::Zombie,
            Err(_) => Self::Gone,
        }
    }
}

/// Tells when a child has ended, without waiting for it: by the signal that every child's end sends.
#[derive(Debug)]
pub(super) struct Signals(Signal);

impl Signals {
    pub(super) fn of(_: Pid) -> io::Result<Self> {
        signal(SignalKind::child()).map(Self)
    }

    /// Cancel-safe; once ended, it answers at once.
    pub(super) async fn ended(&mut self, pid: Pid) {
        // A signal that comes between the question and the wait is not lost.
        while State::of(pid) == State::Running && self.0.recv().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn an_end_is_told_and_not_waited_for() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut signals = Signals::of(pid).unwrap();
        assert_eq!(State::of(pid), State::Running);
        drop(child.stdin.take());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), signals.ended(pid));
        ended.await.expect("the end of the child is told");
        signals.ended(pid).await;
        assert_eq!(State::of(pid), State::Zombie);
        assert!(child.wait().unwrap().success());
        assert_eq!(State::of(pid), State::Gone);
        signals.ended(pid).await;
    }
}
