//! Upkeep of a pool: which workers are started, replaced and retired.

use std::time::Instant;

use super::lifecycle::earliest;
use super::{Action, Instance, InstanceId, Phase, Scheduler, Slot, WorkerPermits};
use crate::pool::config::PoolConfig;

impl<W: WorkerPermits> Scheduler<W> {
    /// Starts, replaces and retires workers. Returns the time of the next poll, unless an event
    /// happens earlier.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.wants_poll = false;
        if self.phase == Phase::Closed {
            return self.end_hung(now);
        }
        let late_sessions = self.discard_late_sessions(now);
        // Uses permits whose release is not yet reported, so that no needed worker is retired.
        self.fill_all();
        self.retire_exhausted();
        let steps = [
            late_sessions,
            self.end_hung(now),
            self.retire_old_spares(now),
            self.start_missing(now),
            self.replace_one(now),
            self.start_spares(now),
            self.retire_idle(now),
        ];
        steps.into_iter().flatten().min()
    }

    /// Retires workers that may start no more calls, which makes room for others.
    fn retire_exhausted(&mut self) {
        for at in 0..self.slots.len() {
            let exhausted = self.slots[at].active.take_if(|instance| instance.is_exhausted());
            if let Some(instance) = exhausted {
                self.retire(at, instance);
                self.refuse_hopeless();
            }
        }
    }

    /// Fills each slot that needs a worker, with a spare or a new worker.
    fn start_missing(&mut self, now: Instant) -> Option<Instant> {
        self.exchange_spares(now);
        let mut wake = None;
        let mut coming =
            self.slots.iter().filter(|slot| slot.starting.is_some() && slot.active.is_none()).count();
        let mut live = self.live().count();
        for at in 0..self.slots.len() {
            if !self.slots[at].is_vacant() {
                continue;
            }
            let max_in_flight = self.config.max_in_flight as usize;
            let room = coming.saturating_mul(max_in_flight);
            let is_needed = (self.phase == Phase::Open && live < self.config.min)
                || self.queue.waiting_for(at) > 0
                || self.queue.permits_for_any(max_in_flight) > room
                || (self.phase == Phase::Open && self.is_broken() && live == 0);
            if !is_needed {
                continue;
            }
            if !self.take_spare(at, now) {
                // A broken pool starts one worker at a time.
                if self.is_broken() && coming > 0 {
                    continue;
                }
                if let Some(after) = self.start_after(self.slots[at].backoff_until, now) {
                    wake = earliest(wake, Some(after));
                    continue;
                }
                self.slots[at].starting = Some(self.start(now));
            }
            coming += usize::from(self.slots[at].starting.is_some());
            live += 1;
        }
        wake
    }

    pub(super) fn start(&mut self, now: Instant) -> InstanceId {
        self.last_number += 1;
        let id = InstanceId(self.last_number);
        self.starts.record(now);
        self.actions.push_back(Action::Start(id));
        id
    }

    /// Returns the time before which no worker may start, if it has not passed. `backoff_until`:
    /// time after which the place of the worker allows it.
    pub(super) fn start_after(&mut self, backoff_until: Option<Instant>, now: Instant) -> Option<Instant> {
        let bounds = [backoff_until, self.backoff.broken_until(), Some(self.starts.next(now))];
        bounds.into_iter().flatten().max().filter(|after| *after > now)
    }

    /// Starts a replacement for the oldest worker that needs one, unless one is being replaced.
    fn replace_one(&mut self, now: Instant) -> Option<Instant> {
        // A broken pool starts one worker at a time, and keeps those that it has.
        let is_replaced = self.phase == Phase::Open && !self.is_broken();
        if !is_replaced || self.slots.iter().any(Slot::is_replacing) {
            return None;
        }
        let is_due = |instance: &Instance<W>| {
            instance.expires_at.is_some_and(|end| end <= now) || instance.needs_replacement(self.reload_from)
        };
        let active = self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.active.as_ref()?)));
        let oldest = active.clone().filter(|(_, instance)| is_due(instance)).min_by_key(|(_, it)| it.id);
        let Some((at, _)) = oldest else { return active.filter_map(|(_, it)| it.expires_at).min() };
        if self.take_spare(at, now) {
            // Others may be due.
            self.wants_poll |= self.slots[at].starting.is_none();
            return None;
        }
        let after = self.start_after(self.slots[at].backoff_until, now);
        if after.is_none() {
            self.slots[at].starting = Some(self.start(now));
        }
        after
    }

    /// Retires workers above the minimum that have been idle for the idle timeout.
    fn retire_idle(&mut self, now: Instant) -> Option<Instant> {
        let PoolConfig { min, max, idle_timeout, .. } = self.config;
        if self.phase != Phase::Open || idle_timeout.is_zero() || min == max {
            return None;
        }
        let mut surplus = self.slots.iter().filter(|slot| slot.active.is_some()).count().saturating_sub(min);
        let mut wake = None;
        for at in (0..self.slots.len()).rev() {
            let slot = &mut self.slots[at];
            if surplus == 0 {
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
                surplus -= 1;
                self.slots[at].active.take().into_iter().for_each(|instance| self.retire(at, instance));
            } else {
                // A busy worker is checked again at the earliest time at which it can have been
                // idle for the timeout.
                wake = earliest(wake, Some(end));
            }
        }
        wake
    }

    /// Retires a worker of this slot: it finishes its calls in flight, and ends.
    pub(super) fn retire(&mut self, slot: usize, mut instance: Instance<W>) {
        self.cancel_reservation(slot);
        instance.permits.close();
        self.actions.extend(instance.end_if_idle());
        self.slots[slot].retiring.push(instance);
    }
}
