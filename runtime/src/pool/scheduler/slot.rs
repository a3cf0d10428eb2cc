//! Slots of a pool, and the workers in them.

use std::time::{Duration, Instant};

use super::{InstanceId, PermitCounts, WorkerPermits};

/// Slot for one worker at a time. A key belongs to a slot, so it stays there if the worker is
/// replaced.
#[derive(Debug)]
pub(super) struct Slot<W> {
    /// Worker that takes calls.
    pub(super) active: Option<Instance<W>>,
    /// Worker that is starting: the first, or the replacement of the active one.
    pub(super) starting: Option<InstanceId>,
    /// Workers that take no more calls and finish those in flight.
    pub(super) retiring: Vec<Instance<W>>,
    /// Number of workers in a row that ended soon after their start.
    pub(super) early_deaths: u32,
    /// Time before which no worker is started, after a crash.
    pub(super) backoff_until: Option<Instant>,
    /// `true` if the slot's worker ended and is not replaced.
    pub(super) is_gone: bool,
    /// Number of calls that ended in workers that are gone.
    pub(super) done: u64,
    pub(super) crashes: u64,
    pub(super) starts: u64,
}

impl<W> Default for Slot<W> {
    fn default() -> Self {
        Self {
            active: None,
            starting: None,
            retiring: Vec::new(),
            early_deaths: 0,
            backoff_until: None,
            is_gone: false,
            done: 0,
            crashes: 0,
            starts: 0,
        }
    }
}

impl<W> Slot<W> {
    pub(super) fn is_vacant(&self) -> bool {
        self.active.is_none() && self.starting.is_none() && !self.is_gone
    }

    pub(super) fn is_replacing(&self) -> bool {
        self.active.is_some() && self.starting.is_some()
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance<W>> {
        self.active.iter().chain(&self.retiring)
    }
}

/// A worker that has come up.
#[derive(Debug)]
pub(super) struct Instance<W> {
    pub(super) id: InstanceId,
    pub(super) permits: W,
    /// `true` if the supervisor was asked to close the worker.
    pub(super) is_closing: bool,
    /// Time at which the worker came up.
    pub(super) since: Instant,
    /// Number of calls after which the worker is replaced.
    pub(super) recycle_calls: u64,
    /// Number of calls that the worker may start.
    pub(super) max_calls: u64,
    /// Time at which the worker is replaced.
    pub(super) expires_at: Option<Instant>,
    /// Resident memory in bytes above which the worker is replaced.
    pub(super) max_memory_bytes: u64,
    pub(super) resident_bytes: Option<u64>,
    /// Time since which the worker has been stuck, and the number of requests sent by then.
    pub(super) stuck_since: Option<(Instant, u64)>,
    /// Time since which the worker has started no call, and the number of calls started by then.
    pub(super) idle_since: Option<(Instant, u64)>,
}

impl<W: WorkerPermits> Instance<W> {
    /// Returns the number of calls that have ended.
    pub(super) fn done(&self) -> u64 {
        let counts = self.permits.counts();
        counts.acquired.saturating_sub(counts.in_flight.into())
    }

    /// Updates the time since which the worker is stuck: a given-up call keeps a permit, or calls
    /// time out because the worker does not read, and meanwhile no request was sent to it.
    pub(super) fn check_stuck(&mut self, now: Instant) {
        let counts = self.permits.counts();
        self.stuck_since = match self.stuck_since {
            _ if !has_lost_calls(counts) => None,
            Some(since) if since.1 == counts.sent => Some(since),
            _ => Some((now, counts.sent)),
        };
    }

    pub(super) fn has_reached_recycle_calls(&self) -> bool {
        self.permits.counts().acquired >= self.recycle_calls
    }

    /// Returns `true` if the worker may start no more calls.
    pub(super) fn is_exhausted(&self) -> bool {
        self.permits.counts().acquired >= self.max_calls
    }

    /// Returns the time at which the worker has been stuck for too long. A limit of zero is no
    /// limit.
    pub(super) fn stuck_until(&self, given_up_limit: Duration) -> Option<Instant> {
        self.stuck_since.filter(|_| !given_up_limit.is_zero()).map(|(since, _)| since + given_up_limit)
    }

    /// Returns `true` if the worker must be replaced, whatever the time. Instances with numbers
    /// below `reload_from` are outdated.
    pub(super) fn needs_replacement(&self, reload_from: u64) -> bool {
        self.has_reached_recycle_calls()
            || self.resident_bytes.is_some_and(|resident| resident > self.max_memory_bytes)
            || self.id.number < reload_from
    }
}

/// Returns `true` if a call has timed out, or was dropped, and the worker may be stuck because of
/// it.
pub(super) fn has_lost_calls(counts: PermitCounts) -> bool {
    counts.given_up > 0 || counts.is_blocked
}
