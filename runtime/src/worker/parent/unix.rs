use std::time::{Duration, Instant};

use rustix::process::{Pid, getppid};

/// Interval at which the parent is queried on a system without pidfds.
const PARENT_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the system to give the child of a process that has ended another parent, if the system
/// does not tell that the process is ending.
const NEW_PARENT_TIMEOUT: Duration = Duration::from_millis(20);

/// Interval at which the parent is queried meanwhile.
const NEW_PARENT_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Host of this worker, if the host is the parent process.
#[derive(Clone, Copy)]
pub(in crate::worker) struct ParentProcess(Pid);

impl ParentProcess {
    /// Returns `None` if the process `host` is not the parent of this process.
    pub(in crate::worker) fn of(host: u32) -> Option<Self> {
        let host = Pid::from_raw(host.cast_signed())?;
        (getppid() == Some(host)).then_some(Self(host))
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
        if let Some(is_exiting) = flags::is_exiting(self.0) {
            return is_exiting;
        }
        let started = Instant::now();
        while is_connection_lost && self.is_parent() && started.elapsed() < NEW_PARENT_TIMEOUT {
            std::thread::sleep(NEW_PARENT_POLL_INTERVAL);
        }
        !self.is_parent()
    }

    fn is_parent(self) -> bool {
        getppid() == Some(self.0)
    }
}

#[cfg(target_os = "linux")]
mod flags {
    use rustix::process::Pid;

    /// Flag of the kernel for a process that is ending (`PF_EXITING`). It is set before the process
    /// closes its descriptors.
    const EXITING: u32 = 4;

    /// Position of the flags in `/proc/PID/stat` after the name of the program, which may contain
    /// any character.
    const POSITION: usize = 6;

    /// Returns `None` if `/proc` does not tell.
    pub(super) fn is_exiting(pid: Pid) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let flags: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(POSITION)?.parse().ok()?;
        Some(flags & EXITING != 0)
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
    fn only_the_parent_is_accepted() {
        assert!(ParentProcess::of(std::process::id()).is_none());
        let parent = getppid().expect("a test has a parent");
        let host = ParentProcess(parent);
        assert!(!host.is_ending(false) && !host.is_ending(true));
        assert!(ParentProcess::of(parent.as_raw_pid().cast_unsigned()).is_some());
    }
}
