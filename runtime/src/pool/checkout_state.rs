//! State of checkouts and sessions that the pool's lock guards.

use std::sync::OnceLock;
use std::task::Waker;
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;

use super::fast_path::WorkerHandle;
use super::scheduler::Refusal;

/// Entry of a queued checkout.
pub(super) enum QueuedCheckout<C: Codec> {
    Waiting {
        since: Instant,
        waker: Waker,
    },
    /// The caller has not taken the worker yet, which stays idle until then.
    CheckedOut(WorkerHandle<C>),
    Refused(Refusal),
}

/// Crash of the worker of a session, reported by the pool's supervisor.
#[derive(Default)]
pub(super) struct SessionCrash(OnceLock<Error>);

impl SessionCrash {
    pub(super) fn set(&self, error: &Error) {
        // A worker crashes once.
        let _ = self.0.set(error.clone());
    }

    pub(super) fn get(&self) -> Option<&Error> {
        self.0.get()
    }
}
