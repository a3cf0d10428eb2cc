use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Host of this worker, if the host is the parent process.
#[derive(Clone, Copy)]
pub(in crate::worker) struct ParentProcess(Pid);

impl ParentProcess {
    /// Returns `None` if the process `host` is not the parent of this process.
    pub(in crate::worker) fn of(host: u32) -> Option<Self> {
        let host = Pid::from_raw(host.cast_signed())?;
        (getppid() == Some(host)).then_some(Self(host))
    }

    /// Waits until the parent has ended. Never returns if the kernel has no pidfds.
    pub(in crate::worker) async fn ended(self) {
        let descriptor = match pidfd_open(self.0, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return,
            Err(_) => return std::future::pending().await,
        };
        // Checked after opening: if the parent is still the same, the descriptor refers to it.
        if getppid() != Some(self.0) {
            return;
        }
        wait_for_exit(descriptor).await;
    }
}

async fn wait_for_exit(descriptor: OwnedFd) {
    // tokio deprecates this function, because some types may return another descriptor later. An
    // `OwnedFd` never does, so the safe function is sound here.
    #[allow(deprecated)]
    let watched = AsyncFd::with_interest(descriptor, Interest::READABLE);
    match watched {
        Ok(watched) => drop(watched.readable().await),
        Err(_) => std::future::pending().await,
    }
}
