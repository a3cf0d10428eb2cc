use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::exit::{ChildSignal, ChildState};
use super::pidfd_info;

/// Waits for a child's exit without reaping it, by a pidfd.
#[derive(Debug)]
pub(super) enum ExitWatch {
    Descriptor(AsyncFd<OwnedFd>),
    /// Fallback if there is no pidfd (before Linux 5.4, and in some sandboxes).
    Signal(ChildSignal),
}

impl ExitWatch {
    pub(super) fn new(pid: Pid) -> io::Result<Self> {
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok();
        let descriptor = descriptor.filter(|it| ChildState::of(WaitId::PidFd(it.as_fd())).is_some());
        match descriptor {
            // The deprecated function is the safe one that all supported versions of tokio have.
            // Its successor requires `unsafe`.
            #[allow(deprecated)]
            Some(descriptor) => AsyncFd::with_interest(descriptor, Interest::READABLE).map(Self::Descriptor),
            None => ChildSignal::new(pid).map(Self::Signal),
        }
    }

    /// Waits for the exit. Returns at once if the child has exited. Cancel-safe.
    pub(super) async fn ended(&mut self, pid: Pid) {
        match self {
            // A pidfd stays readable. The wait fails only while the runtime shuts down.
            Self::Descriptor(descriptor) => drop(descriptor.readable().await),
            Self::Signal(signal) => signal.ended(pid).await,
        }
    }

    /// State of the child. A descriptor refers to the same process even if its number is reused.
    pub(super) fn state(&self, pid: Pid) -> ChildState {
        match self {
            Self::Descriptor(descriptor) => {
                ChildState::of(WaitId::PidFd(descriptor.as_fd())).unwrap_or(ChildState::Reaped)
            }
            Self::Signal(signal) => signal.state(pid),
        }
    }

    /// Kills a child that was not reaped.
    pub(super) fn kill(&self, pid: Pid) {
        match self {
            Self::Descriptor(descriptor) => drop(pidfd_send_signal(descriptor, Signal::KILL)),
            Self::Signal(signal) => signal.kill(pid),
        }
    }

    /// Returns the exit status of a child that other code has reaped, if the kernel keeps it.
    pub(super) fn status_after_reaping(&self) -> Option<ExitStatus> {
        match self {
            Self::Descriptor(descriptor) => pidfd_info::exit_status(descriptor),
            Self::Signal(signal) => signal.status_after_reaping(),
        }
    }
}
