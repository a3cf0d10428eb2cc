//! Lifecycle of a pool's workers: their start, their end and what follows from it.

use std::time::{Duration, Instant};

use super::end_cause::EndCause;
use super::hang_check::HangCheck;
use super::slot::RequestedEnd;
use super::spares::WarmWorker;
use super::{
    Action, Instance, InstanceId, Phase, Refusal, Scheduler, Slot, Ticket, WorkerPermits, rendezvous_hash,
};
use crate::host::crash_policy::MIN_STABLE_UPTIME;
use crate::pool::config::Restart;

impl<W: WorkerPermits> Scheduler<W> {
    /// Handles a worker that came up.
    pub(crate) fn started(&mut self, id: InstanceId, permits: W, now: Instant) {
        let age = self.config.recycle.age;
        let expires_at = (!age.is_zero()).then(|| now + self.jittered(age));
        let worker = WarmWorker { id, permits, since: now, expires_at };
        if let Err(worker) = self.spares.started(worker) {
            let Some(slot) = self.slot_of(id) else { return };
            self.slots[slot].starting = None;
            self.activate(slot, worker, now);
        }
        self.backoff.started();
        self.wants_poll = true;
    }

    /// Activates a worker in a slot. The previous worker of the slot finishes its calls in
    /// flight.
    pub(super) fn activate(&mut self, at: usize, worker: WarmWorker<W>, now: Instant) {
        let WarmWorker { id, permits, since, expires_at } = worker;
        let recycle = self.config.recycle;
        let max_calls = if recycle.max_calls == 0 { u64::MAX } else { recycle.max_calls };
        let instance = Instance {
            id,
            permits,
            requested_end: RequestedEnd::None,
            is_checked_out: false,
            is_discarded: false,
            since,
            active_since: now,
            recycle_calls: self.jittered_limit(recycle.calls).min(max_calls),
            max_calls,
            expires_at,
            max_memory_bytes: self.jittered_limit(recycle.memory_bytes),
            resident_bytes: None,
            hang: HangCheck::default(),
            idle_since: None,
        };
        instance.permits.open(at, self.config.max_in_flight, instance.recycle_calls, max_calls);
        self.actions.push_back(Action::Activate(at, instance.permits.clone()));
        let slot = &mut self.slots[at];
        slot.totals.starts += 1;
        if let Some(old) = slot.active.replace(instance) {
            self.retire(at, old);
        }
        self.fill(at);
    }

    /// Handles a worker that did not come up.
    pub(crate) fn start_failed(&mut self, id: InstanceId, now: Instant) {
        let Some(at) = self.slot_of(id) else { return self.spare_failed(id, now) };
        let slot = &mut self.slots[at];
        slot.starting = None;
        slot.totals.crashes += 1;
        slot.early_deaths = slot.early_deaths.saturating_add(1);
        // Aborts a reload: the workers that are up stay.
        self.reload_from = 0;
        self.backoff.start_failed();
        self.lost(at, self.config.restart != Restart::Temporary, now);
    }

    /// Handles the end of a worker. Its calls in flight still release their permits.
    pub(crate) fn ended(&mut self, id: InstanceId, cause: EndCause, now: Instant) {
        let Some(at) = self.slot_of(id) else {
            self.spare_ended(id, cause, now);
            return;
        };
        self.cancel_reservation_of(id, at);
        let slot = &mut self.slots[at];
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
        self.vacated(at, &instance, cause, now);
    }

    /// Handles a worker that has announced its end. It finishes its calls in flight, and its
    /// replacement starts meanwhile.
    pub(crate) fn leaving(&mut self, id: InstanceId, now: Instant) {
        let Some(at) = self.slot_of(id) else {
            if self.spare_ended(id, EndCause::Normal, now) {
                self.actions.push_back(Action::Retire(id));
            }
            return;
        };
        let active = &mut self.slots[at].active;
        let Some(instance) = active.take_if(|instance| instance.id == id) else { return };
        self.cancel_reservation(at);
        self.vacated(at, &instance, EndCause::Normal, now);
        self.retire(at, instance);
    }

    /// Handles a slot whose active worker takes no more calls.
    fn vacated(&mut self, at: usize, instance: &Instance<W>, cause: EndCause, now: Instant) {
        let ended_early = now.duration_since(instance.active_since) < MIN_STABLE_UPTIME;
        let slot = &mut self.slots[at];
        slot.early_deaths = if ended_early { slot.early_deaths.saturating_add(1) } else { 0 };
        let is_replaced = match self.config.restart {
            Restart::Permanent => true,
            Restart::Transient => cause.is_crash(),
            Restart::Temporary => false,
        };
        self.lost(at, is_replaced, now);
    }

    /// Handles the loss of a worker. Its slot is gone unless the worker `is_replaced`.
    fn lost(&mut self, at: usize, is_replaced: bool, now: Instant) {
        self.wants_poll = true;
        let random = self.random();
        let slot = &mut self.slots[at];
        if is_replaced {
            slot.backoff_until = Some(self.backoff.lost(slot.early_deaths, now, random));
            // A spare that takes the slot needs no start. The start of the next one is delayed.
            self.spares.backoff_until = self.spares.backoff_until.max(slot.backoff_until);
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

    pub(super) fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.actions.push_back(Action::Fail(ticket, refusal));
        self.remove(ticket);
    }

    /// Handles a measurement of a worker's resident memory.
    pub(crate) fn memory_measured(&mut self, id: InstanceId, bytes: u64) {
        let active = self.slots.iter_mut().filter_map(|slot| slot.active.as_mut());
        for instance in active.filter(|instance| instance.id == id) {
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
            slot.instances().map(|instance| instance.id).chain(slot.starting).any(|id| id.0 < from)
        };
        (!self.slots.iter().any(is_stale)).then_some(true)
    }

    /// Stops accepting calls. Queued calls and calls in flight are finished. Sessions have the
    /// drain timeout to end.
    pub(crate) fn drain(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
            self.sessions_until =
                Some(self.config.hung_timeout).filter(|time| !time.is_zero()).map(|time| now + time);
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
        self.cancel_reservations();
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
        self.spares.clear();
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
    pub(super) fn random(&mut self) -> f64 {
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
