use std::time::{Duration, Instant};

use rustix::process::{Pid, getppid};

/// Interval at which the parent is queried on a system without pidfds.
const PARENT_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the system to give the child of a process that has ended another parent, if the system
/// does not tell that the process is ending.
const NEW_PARENT_TIMEOUT: Duration = Duration::from_millis(20);

/// Interval at which the parent is queried meanwhile.
const NEW_PARENT_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Host of this worker, if the host is the parent process, or on Linux any ancestor: a program such
/// as a shell may have started the worker for it.
#[derive(Clone, Copy)]
pub(in crate::worker) struct ParentProcess(Pid);

impl ParentProcess {
    /// Returns `None` if the process `host` is no ancestor of this process.
    pub(in crate::worker) fn of(host: u32) -> Option<Self> {
        let host = Self(Pid::from_raw(host.cast_signed())?);
        host.is_parent().then_some(host)
    }

    /// Waits until the parent has ended.
    pub(in crate::worker) async fn ended(self) {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = pidfd::open(self.0) {
            // Checked after opening: if the parent is still the same, the descriptor refers to it.
            if self.is_parent() && pidfd::exited(descriptor).await.is_ok() {
                return;
            }
        }
        // An orphan gets another parent.
        while self.is_parent() {
            tokio::time::sleep(PARENT_POLL_INTERVAL).await;
        }
    }

    /// Returns `true` if the host has ended, or is ending and has already lost its connections.
    /// `is_connection_lost`: `true` if the connection ended without a go-away.
    ///
    /// The system closes the connections of a process that ends shortly before its children get
    /// another parent.
    pub(in crate::worker) fn is_ending(self, is_connection_lost: bool) -> bool {
        if !self.is_parent() {
            return true;
        }
        #[cfg(target_os = "linux")]
        if let Some(stat) = stat::read(self.0) {
            return stat.is_exiting;
        }
        let started = Instant::now();
        while is_connection_lost && self.is_parent() && started.elapsed() < NEW_PARENT_TIMEOUT {
            std::thread::sleep(NEW_PARENT_POLL_INTERVAL);
        }
        !self.is_parent()
    }

    fn is_parent(self) -> bool {
        let parent = getppid();
        #[cfg(target_os = "linux")]
        if parent != Some(self.0) {
            let mut ancestors = std::iter::successors(parent, |pid| stat::read(*pid)?.parent);
            return ancestors.any(|ancestor| ancestor == self.0);
        }
        parent == Some(self.0)
    }
}

#[cfg(target_os = "linux")]
mod stat {
    use rustix::process::Pid;

    /// Flag of the kernel for a process that is ending (`PF_EXITING`). It is set before the process
    /// closes its descriptors.
    const EXITING: u32 = 4;

    /// Fields of `/proc/PID/stat`.
    pub(super) struct Stat {
        /// `None` for a process that has no parent in this namespace.
        pub(super) parent: Option<Pid>,
        pub(super) is_exiting: bool,
    }

    /// Returns `None` if `/proc` does not tell.
    pub(super) fn read(pid: Pid) -> Option<Stat> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of the program may contain any character. Then follow the state, the parent,
        // four other fields and the flags.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        let parent = Pid::from_raw(fields.next()?.parse().ok()?);
        let flags: u32 = fields.nth(4)?.parse().ok()?;
        Some(Stat { parent, is_exiting: flags & EXITING != 0 })
    }
}

#[cfg(target_os = "linux")]
mod pidfd {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(super) fn open(pid: Pid) -> Option<OwnedFd> {
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }

    /// Waits until the process has exited.
    pub(super) async fn exited(descriptor: OwnedFd) -> io::Result<()> {
        // tokio deprecates this function, because some types may return another descriptor later.
        // An `OwnedFd` never does, so the safe function is sound here.
        #[allow(deprecated)]
        AsyncFd::with_interest(descriptor, Interest::READABLE)?.readable().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ancestors_are_accepted() {
        assert!(ParentProcess::of(std::process::id()).is_none());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("the program runs");
        assert!(ParentProcess::of(child.id()).is_none());
        child.kill().and_then(|()| child.wait()).expect("the child was killed");
        let parent = getppid().expect("a test has a parent");
        let host = ParentProcess(parent);
        assert!(!host.is_ending(false) && !host.is_ending(true));
        assert!(ParentProcess::of(parent.as_raw_pid().cast_unsigned()).is_some());
        #[cfg(target_os = "linux")]
        if let Some(grandparent) = stat::read(parent).and_then(|stat| stat.parent) {
            assert!(ParentProcess::of(grandparent.as_raw_pid().cast_unsigned()).is_some());
        }
    }
}
