//! Lifecycle of a pool's workers: when they are started, replaced and retired.

use std::time::{Duration, Instant};

use super::hang_check::HangCheck;
use super::slot::RequestedEnd;
use super::{
    Action, Instance, InstanceId, Phase, Refusal, Scheduler, Slot, Ticket, WorkerPermits, rendezvous_hash,
};
use crate::host::crash_policy::MIN_STABLE_UPTIME;
use crate::pool::config::{PoolConfig, Restart};

/// Cause of a worker's unexpected end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndCause {
    /// The worker exited with code 0.
    Normal,
    Crashed,
    /// The worker was killed because it answered no ping.
    Unresponsive,
    /// The worker was killed because a call timed out, or because it was hung. This does not count
    /// as a crash.
    Overran,
}

impl EndCause {
    fn is_crash(self) -> bool {
        matches!(self, Self::Crashed | Self::Unresponsive)
    }

    fn is_kill(self) -> bool {
        matches!(self, Self::Unresponsive | Self::Overran)
    }
}

impl<W: WorkerPermits> Scheduler<W> {
    /// Handles a worker that came up. The previous worker of its slot finishes its calls in flight.
    pub(crate) fn started(&mut self, id: InstanceId, permits: W, now: Instant) {
        let slot = &mut self.slots[id.slot];
        if slot.starting.take_if(|starting| *starting == id).is_none() {
            return;
        }
        slot.totals.starts += 1;
        self.backoff.started();
        self.wants_poll = true;
        let recycle = self.config.recycle;
        let max_calls = if recycle.max_calls == 0 { u64::MAX } else { recycle.max_calls };
        let instance = Instance {
            id,
            permits,
            requested_end: RequestedEnd::None,
            since: now,
            recycle_calls: self.jittered_limit(recycle.calls).min(max_calls),
            max_calls,
            expires_at: (!recycle.age.is_zero()).then(|| now + self.jittered(recycle.age)),
            max_memory_bytes: self.jittered_limit(recycle.memory_bytes),
            resident_bytes: None,
            hang: HangCheck::default(),
            idle_since: None,
        };
        instance.permits.open(self.config.max_in_flight, instance.recycle_calls, max_calls);
        if let Some(old) = self.slots[id.slot].active.replace(instance) {
            self.retire(old);
        }
        self.fill(id.slot);
    }

    /// Handles a worker that did not come up.
    pub(crate) fn start_failed(&mut self, id: InstanceId, now: Instant) {
        let slot = &mut self.slots[id.slot];
        if slot.starting.take_if(|starting| *starting == id).is_none() {
            return;
        }
        slot.totals.crashes += 1;
        slot.early_deaths = slot.early_deaths.saturating_add(1);
        // Aborts a reload: the workers that are up stay.
        self.reload_from = 0;
        self.backoff.start_failed();
        self.lost(id.slot, self.config.restart != Restart::Temporary, now);
    }

    /// Handles the end of a worker. Its calls in flight still release their permits.
    pub(crate) fn ended(&mut self, id: InstanceId, cause: EndCause, now: Instant) {
        let slot = &mut self.slots[id.slot];
        slot.totals.killed += u64::from(cause.is_kill());
        slot.totals.hung += u64::from(cause == EndCause::Unresponsive);
        for instance in slot.retiring.extract_if(.., |instance| instance.id == id) {
            slot.totals.add_ended_worker(instance.permits.counts());
        }
        let Some(instance) = slot.active.take_if(|instance| instance.id == id) else { return };
        instance.permits.close();
        slot.totals.add_ended_worker(instance.permits.counts());
        self.wants_poll = true;
        if cause == EndCause::Overran {
            return self.refuse_hopeless();
        }
        slot.totals.crashes += u64::from(cause.is_crash());
        self.vacated(&instance, cause, now);
    }

    /// Handles a worker that has announced its end. It finishes its calls in flight, and its
    /// replacement starts meanwhile.
    pub(crate) fn leaving(&mut self, id: InstanceId, now: Instant) {
        let active = &mut self.slots[id.slot].active;
        let Some(instance) = active.take_if(|instance| instance.id == id) else { return };
        self.vacated(&instance, EndCause::Normal, now);
        self.retire(instance);
    }

    /// Handles a slot whose active worker takes no more calls.
    fn vacated(&mut self, instance: &Instance<W>, cause: EndCause, now: Instant) {
        let ended_early = now.duration_since(instance.since) < MIN_STABLE_UPTIME;
        let slot = &mut self.slots[instance.id.slot];
        slot.early_deaths = if ended_early { slot.early_deaths.saturating_add(1) } else { 0 };
        let is_replaced = match self.config.restart {
            Restart::Permanent => true,
            Restart::Transient => cause.is_crash(),
            Restart::Temporary => false,
        };
        self.lost(instance.id.slot, is_replaced, now);
    }

    /// Handles the loss of a worker. Its slot is gone unless the worker `is_replaced`.
    fn lost(&mut self, at: usize, is_replaced: bool, now: Instant) {
        self.wants_poll = true;
        let random = self.random();
        let slot = &mut self.slots[at];
        if is_replaced {
            slot.backoff_until = Some(self.backoff.lost(slot.early_deaths, now, random));
        } else if slot.active.is_none() && slot.starting.is_none() {
            slot.is_gone = true;
            self.move_calls_from(at);
        }
        self.refuse_hopeless();
    }

    /// Moves the calls that wait for a slot that is gone to other slots, or refuses them.
    fn move_calls_from(&mut self, gone: usize) {
        let none_left = self.slots.iter().all(|slot| slot.is_gone);
        let is_affected = |slot: Option<usize>| slot == Some(gone) || (slot.is_none() && none_left);
        let calls: Vec<_> =
            self.queue.iter().filter(|(_, call)| is_affected(call.slot)).map(|(t, c)| (t, *c)).collect();
        for (ticket, call) in calls {
            match self.resolve(call.target) {
                Ok(Some(slot)) => self.queue.move_to(ticket, slot),
                Ok(None) => {}
                Err(refusal) => self.refuse(ticket, refusal),
            }
        }
        // Filled only after all calls have moved, so that the call with the highest priority goes
        // first.
        self.fill_all();
    }

    /// Refuses queued calls that wait for workers that keep crashing.
    pub(super) fn refuse_hopeless(&mut self) {
        if self.is_broken() {
            let is_hopeless = |slot| self.is_hopeless(slot);
            let calls: Vec<_> = self
                .queue
                .iter()
                .filter(|(_, call)| is_hopeless(call.slot))
                .map(|(ticket, _)| ticket)
                .collect();
            calls.into_iter().for_each(|ticket| self.refuse(ticket, Refusal::Broken));
        }
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.queue.remove(ticket);
        self.actions.push_back(Action::Fail(ticket, refusal));
    }

    /// Handles a measurement of a worker's resident memory.
    pub(crate) fn memory_measured(&mut self, id: InstanceId, bytes: u64) {
        if let Some(instance) = self.slots[id.slot].active.as_mut().filter(|instance| instance.id == id) {
            instance.resident_bytes = Some(bytes);
            self.wants_poll |= bytes > instance.max_memory_bytes;
        }
    }

    /// Replaces all workers, one at a time. If a new worker does not come up, the rest stay.
    ///
    /// Returns a number for [`reload_result`](Self::reload_result).
    pub(crate) fn reload(&mut self) -> u64 {
        self.reload_from = self.last_number + 1;
        self.wants_poll = true;
        self.reload_from
    }

    /// Returns the result of a reload: `None` while it runs, and `Some(false)` if a worker did not
    /// come up.
    pub(crate) fn reload_result(&self, from: u64) -> Option<bool> {
        if self.reload_from < from {
            return Some(false);
        }
        let is_stale = |slot: &Slot<W>| {
            slot.instances().map(|instance| instance.id).chain(slot.starting).any(|id| id.number < from)
        };
        (!self.slots.iter().any(is_stale)).then_some(true)
    }

    /// Stops accepting calls. Queued calls and calls in flight are finished.
    pub(crate) fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
            self.wants_poll = true;
        }
    }

    /// Returns `true` if no calls are queued or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        let is_busy = |slot: &Slot<W>| slot.instances().any(|instance| instance.permits.in_flight() > 0);
        self.queue.len() == 0 && !self.slots.iter().any(is_busy)
    }

    /// Stops accepting calls and starting workers, and refuses all queued calls.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closed;
        let calls: Vec<_> = self.queue.iter().map(|(ticket, _)| ticket).collect();
        calls.into_iter().for_each(|ticket| self.refuse(ticket, Refusal::Closed));
    }

    /// Refuses all calls and forgets all workers, because the owner is gone. No action starts or
    /// retires a worker afterwards.
    pub(crate) fn abandon(&mut self) {
        self.close();
        for slot in &mut self.slots {
            slot.starting = None;
            for instance in slot.active.take().into_iter().chain(slot.retiring.drain(..)) {
                instance.permits.close();
                slot.totals.add_ended_worker(instance.permits.counts());
            }
        }
    }

    /// Starts, replaces and retires workers. Returns the time of the next poll, unless an event
    /// happens earlier.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.wants_poll = false;
        if self.phase == Phase::Closed {
            return self.end_hung(now);
        }
        // Uses permits whose release is not yet reported, so that no needed worker is retired.
        self.fill_all();
        self.retire_exhausted();
        let checked = self.end_hung(now);
        let started = self.start_missing(now);
        let replaced = self.replace_one(now);
        [checked, started, replaced, self.retire_idle(now)].into_iter().flatten().min()
    }

    /// Retires workers that may start no more calls, which makes room for others.
    fn retire_exhausted(&mut self) {
        for at in 0..self.slots.len() {
            let exhausted = self.slots[at].active.take_if(|instance| instance.is_exhausted());
            if let Some(instance) = exhausted {
                self.retire(instance);
                self.refuse_hopeless();
            }
        }
    }

    /// Starts a worker in each slot that needs one.
    fn start_missing(&mut self, now: Instant) -> Option<Instant> {
        let mut wake = None;
        let mut coming =
            self.slots.iter().filter(|slot| slot.starting.is_some() && slot.active.is_none()).count();
        let mut live = self.live().count();
        for at in 0..self.slots.len() {
            if !self.slots[at].is_vacant() {
                continue;
            }
            let room = coming.saturating_mul(self.config.max_in_flight as usize);
            let is_needed = (self.phase == Phase::Open && live < self.config.min)
                || self.queue.waiting_for(at) > 0
                || self.queue.waiting_for_any() > room
                || (self.phase == Phase::Open && self.is_broken() && live == 0);
            // A broken pool starts one worker at a time.
            if !is_needed || (self.is_broken() && coming > 0) {
                continue;
            }
            let allowed = self.starts.next(now);
            let bounds = [self.slots[at].backoff_until, self.backoff.broken_until(), Some(allowed)];
            match bounds.into_iter().flatten().max().filter(|after| *after > now) {
                Some(after) => wake = earliest(wake, Some(after)),
                None => {
                    self.start(at, now);
                    (coming, live) = (coming + 1, live + 1);
                }
            }
        }
        wake
    }

    fn start(&mut self, slot: usize, now: Instant) {
        self.last_number += 1;
        let id = InstanceId { slot, number: self.last_number };
        self.starts.record(now);
        self.slots[slot].starting = Some(id);
        self.actions.push_back(Action::Start(id));
    }

    /// Starts a replacement for the oldest worker that needs one, unless one is being replaced.
    fn replace_one(&mut self, now: Instant) -> Option<Instant> {
        // A broken pool starts one worker at a time, and keeps those that it has.
        let is_replaced = self.phase == Phase::Open && !self.is_broken();
        if !is_replaced || self.slots.iter().any(Slot::is_replacing) {
            return None;
        }
        let is_due = |instance: &&Instance<W>| {
            instance.expires_at.is_some_and(|end| end <= now) || instance.needs_replacement(self.reload_from)
        };
        let active = self.slots.iter().filter_map(|slot| slot.active.as_ref());
        let oldest = active.clone().filter(is_due).min_by_key(|instance| instance.id.number);
        let Some(oldest) = oldest else { return active.filter_map(|instance| instance.expires_at).min() };
        let slot = oldest.id.slot;
        let allowed = self.starts.next(now);
        let bounds = [self.slots[slot].backoff_until, self.backoff.broken_until(), Some(allowed)];
        if let Some(after) = bounds.into_iter().flatten().max().filter(|after| *after > now) {
            return Some(after);
        }
        self.start(slot, now);
        None
    }

    /// Retires workers above the minimum that have been idle for the idle timeout.
    fn retire_idle(&mut self, now: Instant) -> Option<Instant> {
        let PoolConfig { min, max, idle_timeout, .. } = self.config;
        if self.phase != Phase::Open || idle_timeout.is_zero() || min == max {
            return None;
        }
        let mut spare = self.slots.iter().filter(|slot| slot.active.is_some()).count().saturating_sub(min);
        let mut wake = None;
        for at in (0..self.slots.len()).rev() {
            let slot = &mut self.slots[at];
            if spare == 0 {
                break;
            }
            let Some(instance) = &mut slot.active else { continue };
            let counts = instance.permits.counts();
            // If the permits are closed, the worker has ended. Its end is reported soon, and calls
            // may wait for that.
            if slot.starting.is_some() || !counts.is_open {
                continue;
            }
            let is_free = counts.in_flight + counts.given_up == 0;
            let (since, _) = match instance.idle_since {
                Some(idle) if is_free && idle.1 == counts.acquired => idle,
                _ => *instance.idle_since.insert((now, counts.acquired)),
            };
            let end = since + idle_timeout;
            if is_free && end <= now {
                spare -= 1;
                self.slots[at].active.take().into_iter().for_each(|instance| self.retire(instance));
            } else {
                // A busy worker is checked again at the earliest time at which it can have been
                // idle for the timeout.
                wake = earliest(wake, Some(end));
            }
        }
        wake
    }

    pub(super) fn retire(&mut self, mut instance: Instance<W>) {
        instance.permits.close();
        self.actions.extend(instance.end_if_idle());
        self.slots[instance.id.slot].retiring.push(instance);
    }

    /// Returns a limit up to a tenth lower, so that workers that started together do not end
    /// together. 0 is no limit.
    fn jittered_limit(&mut self, limit: u64) -> u64 {
        match limit {
            0 => u64::MAX,
            limit => limit - (limit as f64 * self.random() / 10.0) as u64,
        }
    }

    fn jittered(&mut self, time: Duration) -> Duration {
        time.mul_f64(1.0 - self.random() / 10.0)
    }

    /// Returns a number from 0 to 1.
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        rendezvous_hash::mix(self.random) as f64 / u64::MAX as f64
    }
}

pub(super) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
