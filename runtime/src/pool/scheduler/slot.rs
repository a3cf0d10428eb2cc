//! Slots of a pool, and the workers in them.

use std::time::Instant;

use super::hang_check::HangCheck;
use super::{Action, InstanceId, PermitCounts, WorkerPermits};
use crate::pool::config::PoolConfig;

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
    pub(super) totals: SlotTotals,
}

/// Totals of all workers that a slot has had.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotTotals {
    /// Number of workers that came up.
    pub(crate) starts: u64,
    /// Number of workers that crashed or did not come up.
    pub(crate) crashes: u64,
    /// Number of workers that were killed because of a timeout or because they were hung.
    pub(crate) killed: u64,
    /// Number of workers that were hung.
    pub(crate) hung: u64,
    /// Number of calls that ended.
    pub(crate) done: u64,
    /// Number of calls that timed out.
    pub(crate) timeouts: u64,
}

impl SlotTotals {
    /// Adds the calls of a worker that runs.
    pub(super) fn add_calls(&mut self, counts: PermitCounts) {
        self.done += counts.acquired.saturating_sub(counts.in_flight.into());
        self.timeouts += counts.timeouts;
    }

    /// Adds the calls of a worker that has ended. Those in flight end with it.
    pub(super) fn add_ended_worker(&mut self, counts: PermitCounts) {
        self.add_calls(PermitCounts { in_flight: 0, ..counts });
    }
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
            totals: SlotTotals::default(),
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

/// End of a worker that the owner of the scheduler was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestedEnd {
    None,
    Close,
    Kill,
}

/// A worker that has come up.
#[derive(Debug)]
pub(super) struct Instance<W> {
    pub(super) id: InstanceId,
    pub(super) permits: W,
    /// End that the supervisor was asked for.
    pub(super) requested_end: RequestedEnd,
    /// `true` while a session has the worker.
    pub(super) is_checked_out: bool,
    /// `true` if a session has left its state in the worker, which no other call may see.
    pub(super) is_discarded: bool,
    /// Time at which the worker came up.
    pub(super) since: Instant,
    /// Time since which the worker takes calls.
    pub(super) active_since: Instant,
    /// Number of calls after which the worker is replaced.
    pub(super) recycle_calls: u64,
    /// Number of calls that the worker may start.
    pub(super) max_calls: u64,
    /// Time at which the worker is replaced.
    pub(super) expires_at: Option<Instant>,
    /// Resident memory in bytes above which the worker is replaced.
    pub(super) max_memory_bytes: u64,
    pub(super) resident_bytes: Option<u64>,
    pub(super) hang: HangCheck,
    /// Time since which the worker has started no call, and the number of calls started by then.
    pub(super) idle_since: Option<(Instant, u64)>,
}

impl<W: WorkerPermits> Instance<W> {
    pub(super) fn has_reached_recycle_calls(&self) -> bool {
        self.permits.counts().acquired >= self.recycle_calls
    }

    /// Returns `true` if the worker may start no more calls.
    pub(super) fn is_exhausted(&self) -> bool {
        self.permits.counts().acquired >= self.max_calls
    }

    /// Returns `true` if the worker must be replaced, whatever the time. Instances with numbers
    /// below `reload_from` are outdated.
    pub(super) fn needs_replacement(&self, reload_from: u64) -> bool {
        self.has_reached_recycle_calls()
            || self.resident_bytes.is_some_and(|resident| resident > self.max_memory_bytes)
            || self.id.0 < reload_from
    }

    /// Returns `true` if the worker has not answered a cancel yet.
    pub(super) fn owes_answer(&self) -> bool {
        self.permits.counts().unanswered_since.is_some()
    }

    /// Checks if the worker is hung, and counts it if so. Returns the time of the next check.
    pub(super) fn check_hang(
        &mut self,
        now: Instant,
        config: &PoolConfig,
        totals: &mut SlotTotals,
    ) -> Option<Instant> {
        let (unanswered_since, was_hung) = (self.permits.counts().unanswered_since, self.hang.is_hung());
        let next = self.hang.update(unanswered_since, now, config.cancel_timeout, config.hung_timeout);
        totals.hung += u64::from(self.hang.is_hung() && !was_hung);
        next
    }

    /// Returns the action that ends a worker which takes no more calls, if none is in flight and
    /// the action was not returned before.
    pub(super) fn end_if_idle(&mut self) -> Option<Action<W>> {
        if self.permits.in_flight() > 0 { None } else { self.end() }
    }

    /// Returns the action that ends a worker which takes no more calls, unless it was returned
    /// before.
    pub(super) fn end(&mut self) -> Option<Action<W>> {
        let (requested, action): (_, fn(InstanceId) -> Action<W>) = if self.is_discarded {
            (RequestedEnd::Kill, Action::Discard)
        } else if self.hang.is_hung() {
            (RequestedEnd::Kill, Action::Kill)
        } else {
            (RequestedEnd::Close, Action::Retire)
        };
        let is_new = std::mem::replace(&mut self.requested_end, requested) != requested;
        is_new.then(|| action(self.id))
    }
}
