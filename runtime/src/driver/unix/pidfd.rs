use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::exit::ChildSignal;

/// Waits for a child's exit without reaping it, by a pidfd.
#[derive(Debug)]
pub(super) enum ExitWatch {
    Descriptor(AsyncFd<OwnedFd>),
    /// Fallback if there is no pidfd (before Linux 5.3, and in some sandboxes).
    Signal(ChildSignal),
}

impl ExitWatch {
    pub(super) fn new(pid: Pid) -> io::Result<Self> {
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from);
        // The deprecated function is the safe one that all supported versions of tokio have. Its
        // successor requires `unsafe`.
        #[allow(deprecated)]
        let watched = descriptor.and_then(|it| AsyncFd::with_interest(it, Interest::READABLE));
        watched.map(Self::Descriptor).or_else(|_| ChildSignal::new(pid).map(Self::Signal))
    }

    /// Waits for the exit. Returns at once if the child has exited. Cancel-safe.
    pub(super) async fn ended(&mut self, pid: Pid) {
        match self {
            // A pidfd stays readable. The wait fails only while the runtime shuts down.
            Self::Descriptor(descriptor) => drop(descriptor.readable().await),
            Self::Signal(signal) => signal.ended(pid).await,
        }
    }
}
