use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The host of this worker, where it is the parent of its process.
#[derive(Clone, Copy)]
pub(in crate::worker) struct Parent(Pid);

impl Parent {
    /// `None`: the process `host` is not this one's parent.
    pub(in crate::worker) fn of(host: u32) -> Option<Self> {
        let host = Pid::from_raw(host.cast_signed())?;
        (getppid() == Some(host)).then_some(Self(host))
    }

    /// QueueStats until it has ended. Where the system cannot tell, that is never.
    pub(in crate::worker) async fn gone(self) {
        let descriptor = match pidfd_open(self.0, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return,
            Err(_) => return std::future::pending().await,
        };
        // Asked last: the descriptor is that of the parent if it is still the parent.
        if getppid() != Some(self.0) {
            return;
        }
        ended(descriptor).await;
    }
}

async fn ended(descriptor: OwnedFd) {
    // What replaces it is unsafe, for types whose descriptor may change, and not in every tokio that this builds with.
    #[allow(deprecated)]
    let watched = AsyncFd::with_interest(descriptor, Interest::READABLE);
    match watched {
        Ok(watched) => drop(watched.readable().await),
        Err(_) => std::future::pending().await,
    }
}
