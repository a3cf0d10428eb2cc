use std::time::Duration;

use rustix::process::{Pid, getppid};

/// Interval at which the parent is queried on a system without pidfds.
const PARENT_POLL_INTERVAL: Duration = Duration::from_millis(500);

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

    /// Returns `true` if the host is still the parent of this process.
    pub(in crate::worker) fn is_parent(self) -> bool {
        getppid() == Some(self.0)
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
        assert!(ParentProcess::of(parent.as_raw_pid().cast_unsigned()).is_some());
    }
}
