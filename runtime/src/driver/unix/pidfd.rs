use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::exit::Signals;

/// Tells when a child has ended, without waiting for it: by a descriptor of it, which wakes nobody else.
#[derive(Debug)]
pub(super) enum Exit {
    Descriptor(AsyncFd<OwnedFd>),
    /// Where the kernel has no such descriptors (before Linux 5.3, and in some sandboxes).
    Signals(Signals),
}

impl Exit {
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from);
        // What replaces it is unsafe, for types whose descriptor may change, and not in every tokio that this builds with.
        #[allow(deprecated)]
        let watched = descriptor.and_then(|it| AsyncFd::with_interest(it, Interest::READABLE));
        watched.map(Self::Descriptor).or_else(|_| Signals::of(pid).map(Self::Signals))
    }

    /// Cancel-safe; once ended, it answers at once.
    pub(super) async fn ended(&mut self, pid: Pid) {
        match self {
            // It stays readable. The wait fails only where the runtime is about to end.
            Self::Descriptor(descriptor) => drop(descriptor.readable().await),
            Self::Signals(signals) => signals.ended(pid).await,
        }
    }
}
