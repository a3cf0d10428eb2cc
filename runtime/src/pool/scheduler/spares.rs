//! Spares of a pool: warm workers that wait to take the place of another.
//!
//! A spare has no slot, takes no calls, and counts neither towards the size of the pool nor as
//! idle. A slot that needs a worker takes a spare before it starts one. So a spare that is started
//! later makes up for it, within the same limits as every start.

use std::time::{Duration, Instant};

use super::end_cause::EndCause;
use super::{Action, InstanceId, Phase, Scheduler, WorkerPermits};
use crate::host::crash_policy::MIN_STABLE_UPTIME;

/// Time for which a spare is missing before another one is started, so that calls which wait for
/// the one that was taken run first. A start keeps the host's thread busy for about a millisecond:
/// without this time, the first answer after a crash takes 2 ms instead of 1 ms.
const START_DELAY: Duration = Duration::from_millis(2);

/// Spares of a pool.
#[derive(Debug)]
pub(super) struct Spares<W> {
    /// Number of spares that the pool keeps.
    wanted: usize,
    starting: Vec<InstanceId>,
    /// Spares that have come up, the oldest first.
    ready: Vec<WarmWorker<W>>,
    /// Time since which fewer spares than wanted are ready or starting.
    missing_since: Option<Instant>,
    /// Number of spares in a row that ended soon after their start, or did not come up.
    early_deaths: u32,
    /// Time before which no spare is started, after a crash of any worker.
    pub(super) backoff_until: Option<Instant>,
    crashes: u64,
}

/// A worker that has come up and takes no calls yet.
#[derive(Debug)]
pub(super) struct WarmWorker<W> {
    pub(super) id: InstanceId,
    pub(super) permits: W,
    /// Time at which the worker came up.
    pub(super) since: Instant,
    /// Time at which the worker is replaced.
    pub(super) expires_at: Option<Instant>,
}

/// Snapshot of the spares, for statistics.
#[derive(Debug)]
pub(crate) struct SparesSnapshot<'a, W> {
    pub(crate) ready: Vec<&'a W>,
    pub(crate) starting: usize,
    /// Number of spares that crashed or did not come up.
    pub(crate) crashes: u64,
}

impl<W> Spares<W> {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            starting: Vec::new(),
            ready: Vec::new(),
            missing_since: None,
            early_deaths: 0,
            backoff_until: None,
            crashes: 0,
        }
    }

    /// Returns `true` if a spare has come up.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn snapshot(&self) -> SparesSnapshot<'_, W> {
        SparesSnapshot {
            ready: self.ready.iter().map(|spare| &spare.permits).collect(),
            starting: self.starting.len(),
            crashes: self.crashes,
        }
    }

    /// Takes the oldest spare that has come up.
    pub(super) fn take_ready(&mut self) -> Option<WarmWorker<W>> {
        if self.ready.is_empty() { None } else { Some(self.ready.remove(0)) }
    }

    /// Takes the spare that is starting for the longest time, unless it runs an outdated program.
    pub(super) fn take_starting(&mut self, reload_from: u64) -> Option<InstanceId> {
        let at = self.starting.iter().position(|id| id.0 >= reload_from)?;
        Some(self.starting.remove(at))
    }

    /// Handles a worker that came up. Returns it if it is no spare.
    pub(super) fn started(&mut self, worker: WarmWorker<W>) -> Result<(), WarmWorker<W>> {
        if !self.forget_starting(worker.id) {
            return Err(worker);
        }
        self.ready.push(worker);
        Ok(())
    }

    /// Forgets a spare that is starting. Returns `false` if it is none.
    fn forget_starting(&mut self, id: InstanceId) -> bool {
        let before = self.starting.len();
        self.starting.retain(|starting| *starting != id);
        self.starting.len() < before
    }

    /// Removes a spare that has come up. `None` if it is none.
    fn remove_ready(&mut self, id: InstanceId) -> Option<WarmWorker<W>> {
        let at = self.ready.iter().position(|spare| spare.id == id)?;
        Some(self.ready.remove(at))
    }

    /// Forgets all spares.
    pub(super) fn clear(&mut self) {
        self.starting.clear();
        self.ready.clear();
    }
}

impl<W: WorkerPermits> Scheduler<W> {
    /// Returns a snapshot of the spares.
    pub(crate) fn spares(&self) -> SparesSnapshot<'_, W> {
        self.spares.snapshot()
    }

    /// Handles a spare that did not come up. Does nothing if it is none.
    pub(super) fn spare_failed(&mut self, id: InstanceId, now: Instant) {
        if self.spares.forget_starting(id) {
            self.spares.early_deaths = self.spares.early_deaths.saturating_add(1);
            self.spares.crashes += 1;
            self.reload_from = 0;
            self.backoff.start_failed();
            self.spare_lost(now);
        }
    }

    /// Handles the end of a spare, or a spare that has announced its end. Returns `false` if it is
    /// none.
    pub(super) fn spare_ended(&mut self, id: InstanceId, cause: EndCause, now: Instant) -> bool {
        let Some(spare) = self.spares.remove_ready(id) else { return false };
        let ended_early = now.duration_since(spare.since) < MIN_STABLE_UPTIME;
        let early_deaths = if ended_early { self.spares.early_deaths.saturating_add(1) } else { 0 };
        self.spares.early_deaths = early_deaths;
        self.spares.crashes += u64::from(cause.is_crash());
        self.spare_lost(now);
        true
    }

    fn spare_lost(&mut self, now: Instant) {
        self.wants_poll = true;
        let random = self.random();
        let after = self.backoff.lost(self.spares.early_deaths, now, random);
        self.spares.backoff_until = self.spares.backoff_until.max(Some(after));
        self.refuse_hopeless();
    }

    /// Retires spares that run an outdated program or are too old. Returns the time at which the
    /// next one is.
    pub(super) fn retire_old_spares(&mut self, now: Instant) -> Option<Instant> {
        let reload_from = self.reload_from;
        let is_old = |spare: &WarmWorker<W>| {
            spare.id.0 < reload_from || spare.expires_at.is_some_and(|expires_at| expires_at <= now)
        };
        let before = self.spares.ready.len();
        for spare in self.spares.ready.extract_if(.., |spare| is_old(spare)) {
            self.actions.push_back(Action::Retire(spare.id));
        }
        if self.spares.ready.len() < before {
            self.refuse_hopeless();
        }
        self.spares.ready.iter().filter_map(|spare| spare.expires_at).min()
    }

    /// Starts spares, once every slot that needs a worker has one. Returns the time at which the
    /// next one may start.
    pub(super) fn start_spares(&mut self, now: Instant) -> Option<Instant> {
        let is_needed = self.phase == Phase::Open && self.slots.iter().any(|slot| !slot.is_gone);
        if !is_needed || self.slots.iter().any(|slot| slot.starting.is_some()) {
            return None;
        }
        while self.spares.starting.len() + self.spares.ready.len() < self.spares.wanted {
            // A broken pool starts one worker at a time.
            if self.is_broken() && !self.spares.starting.is_empty() {
                return None;
            }
            let missing_since = *self.spares.missing_since.get_or_insert(now);
            let may_start = self.spares.backoff_until.max(Some(missing_since + START_DELAY));
            if let Some(after) = self.start_after(may_start, now) {
                return Some(after);
            }
            let id = self.start(now);
            self.spares.starting.push(id);
        }
        self.spares.missing_since = None;
        None
    }

    /// Gives spares that have come up to slots whose first worker is still starting. That becomes a
    /// spare.
    pub(super) fn exchange_spares(&mut self, now: Instant) {
        for at in 0..self.slots.len() {
            if self.slots[at].active.is_none()
                && self.spares.has_ready()
                && let Some(id) = self.slots[at].starting.take()
            {
                self.spares.starting.push(id);
                self.take_spare(at, now);
            }
        }
    }

    /// Gives a spare to a slot, if there is one that has come up or is starting. Returns `false` if
    /// there is none.
    pub(super) fn take_spare(&mut self, slot: usize, now: Instant) -> bool {
        if let Some(spare) = self.spares.take_ready() {
            self.activate(slot, spare, now);
            // It was the last hope of calls for other slots of a broken pool.
            self.refuse_hopeless();
            return true;
        }
        self.slots[slot].starting = self.spares.take_starting(self.reload_from);
        self.slots[slot].starting.is_some()
    }
}
