//! Which workers there are.

use std::time::{Duration, Instant};

use super::{Action, Member, MemberId, Phase, Refusal, Scheduler, Seats, Slot, rendezvous};
use crate::host::supervisor::GROWN_UP;
use crate::pool::{Restart, Rules};

/// How a worker ended that was not told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HowEnded {
    /// It exited with code 0.
    Normal,
    Crashed,
    /// It was killed for a call that took too long. No fault of the program that counts.
    Overran,
}

fn sooner(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl<M: Seats> Scheduler<M> {
    /// A worker has come up and takes calls. One that was there before in its slot finishes what is in flight.
    pub(crate) fn started(&mut self, id: MemberId, seats: M, now: Instant) {
        let slot = &mut self.slots[id.slot];
        if slot.starting.take_if(|starting| *starting == id).is_none() {
            return;
        }
        slot.starts += 1;
        self.failed_starts = 0;
        self.broken = None;
        self.wants_poll = true;
        let recycle = self.rules.recycle;
        let member = Member {
            id,
            seats,
            is_told: false,
            since: now,
            calls_end: self.limit(recycle.calls),
            age_end: (!recycle.age.is_zero()).then(|| now + self.a_part_less(recycle.age)),
            memory_end: self.limit(recycle.memory),
            resident: None,
            idle: None,
        };
        member.seats.open(self.rules.max_in_flight, member.calls_end);
        if let Some(old) = self.slots[id.slot].active.replace(member) {
            self.retire(old);
        }
        self.fill(id.slot);
    }

    /// A worker has not come up.
    pub(crate) fn start_failed(&mut self, id: MemberId, now: Instant) {
        let slot = &mut self.slots[id.slot];
        if slot.starting.take_if(|starting| *starting == id).is_none() {
            return;
        }
        slot.crashes += 1;
        slot.died_young = slot.died_young.saturating_add(1);
        // The workers that are there go on.
        self.reloaded_from = 0;
        self.failed_starts += 1;
        self.missing(id.slot, self.rules.restart != Restart::Temporary, now);
    }

    /// A worker has ended. What was in flight gives its seats back all the same.
    pub(crate) fn ended(&mut self, id: MemberId, how: HowEnded, now: Instant) {
        let slot = &mut self.slots[id.slot];
        for member in slot.retiring.extract_if(.., |member| member.id == id) {
            slot.done += member.seats.counts().2;
        }
        let Some(member) = slot.active.take_if(|member| member.id == id) else { return };
        member.seats.close();
        slot.done += member.seats.counts().2;
        self.wants_poll = true;
        if how == HowEnded::Overran {
            return self.give_up_hopeless();
        }
        let grown_up = now.duration_since(member.since) >= GROWN_UP;
        slot.died_young = if grown_up { 0 } else { slot.died_young.saturating_add(1) };
        slot.crashes += u64::from(how == HowEnded::Crashed);
        let another = match self.rules.restart {
            Restart::Permanent => true,
            Restart::Transient => how == HowEnded::Crashed,
            Restart::Temporary => false,
        };
        self.missing(id.slot, another, now);
    }

    /// A worker is missing that was not told to end, and `another` one is to follow or not.
    fn missing(&mut self, at: usize, another: bool, now: Instant) {
        self.wants_poll = true;
        let random = self.random();
        let slot = &mut self.slots[at];
        if !another {
            if slot.active.is_none() && slot.starting.is_none() {
                slot.is_gone = true;
                self.leave(at);
            }
            return self.give_up_hopeless();
        }
        slot.not_before = Some(now + self.rules.on_crash.delay(slot.died_young, random));
        self.crashes.record(now);
        let (most, _) = self.rules.restart_limit;
        if self.is_broken() || self.crashes.is_over(now) || self.failed_starts > most {
            let in_a_row = self.failed_starts.max(1);
            self.broken = Some(now + self.rules.on_crash.delay(in_a_row, random));
        }
        self.give_up_hopeless();
    }

    /// Finds other slots for the calls that wait for one that is gone.
    fn leave(&mut self, gone: usize) {
        let none_left = self.slots.iter().all(|slot| slot.is_gone);
        let theirs = |slot: Option<usize>| slot == Some(gone) || (slot.is_none() && none_left);
        let calls: Vec<_> =
            self.queue.iter().filter(|(_, call)| theirs(call.slot)).map(|(t, c)| (t, *c)).collect();
        for (ticket, call) in calls {
            match self.resolve(call.target) {
                Ok(Some(slot)) => self.queue.move_to(ticket, slot),
                Ok(None) => {}
                Err(refusal) => self.refuse(ticket, refusal),
            }
        }
        // Only when all have moved: the most urgent goes first.
        self.fill_all();
    }

    /// Fails the calls that wait for workers that keep crashing.
    fn give_up_hopeless(&mut self) {
        if self.is_broken() {
            let hopeless = |slot| self.is_hopeless(slot);
            let calls: Vec<_> =
                self.queue.iter().filter(|(_, call)| hopeless(call.slot)).map(|(ticket, _)| ticket).collect();
            calls.into_iter().for_each(|ticket| self.refuse(ticket, Refusal::Broken));
        }
    }

    fn refuse(&mut self, ticket: super::Ticket, refusal: Refusal) {
        self.queue.remove(ticket);
        self.actions.push_back(Action::Fail(ticket, refusal));
    }

    /// How much memory a worker takes.
    pub(crate) fn resident(&mut self, id: MemberId, bytes: u64) {
        if let Some(member) = self.slots[id.slot].active.as_mut().filter(|member| member.id == id) {
            member.resident = Some(bytes);
            self.wants_poll |= bytes > member.memory_end;
        }
    }

    /// Replaces all workers that are there, one after the other. Where one does not come up, the rest stay.
    pub(crate) fn reload(&mut self) -> u64 {
        self.reloaded_from = self.next_member + 1;
        self.wants_poll = true;
        self.reloaded_from
    }

    /// Whether a reload is over: `Some(false)` where a worker did not come up.
    pub(crate) fn reloaded(&self, from: u64) -> Option<bool> {
        if self.reloaded_from < from {
            return Some(false);
        }
        let is_stale = |slot: &Slot<M>| {
            slot.members().map(|member| member.id).chain(slot.starting).any(|id| id.number < from)
        };
        (!self.slots.iter().any(is_stale)).then_some(true)
    }

    /// Takes no calls any more; what waits and what is in flight is finished.
    pub(crate) fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
            self.wants_poll = true;
        }
    }

    /// Whether nothing waits and nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        let busy = |slot: &Slot<M>| slot.members().any(|member| member.seats.taken() > 0);
        self.queue.len() == 0 && !self.slots.iter().any(busy)
    }

    /// Takes no calls any more, starts no workers, and gives up all that waits.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closed;
        let calls: Vec<_> = self.queue.iter().map(|(ticket, _)| ticket).collect();
        calls.into_iter().for_each(|ticket| self.refuse(ticket, Refusal::Closed));
    }

    /// Starts and retires workers as it is time for. Returns when to ask again, unless something else happens first.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.wants_poll = false;
        if self.phase == Phase::Closed {
            return None;
        }
        // With seats that are still to be told of, so that no worker is let go that a call waits for.
        self.fill_all();
        let started = self.start_missing(now);
        let replaced = self.replace_one(now);
        sooner(sooner(started, replaced), self.retire_idle(now))
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
            let room = coming.saturating_mul(self.rules.max_in_flight as usize);
            let is_needed = (self.phase == Phase::Open && live < self.rules.min)
                || self.queue.waiting_for(at) > 0
                || self.queue.waiting_for_any() > room
                || (self.phase == Phase::Open && self.is_broken() && live == 0);
            // While workers keep crashing, they are tried one at a time.
            if !is_needed || (self.is_broken() && coming > 0) {
                continue;
            }
            let allowed = self.starts.next(now);
            let after = [self.slots[at].not_before, self.broken, Some(allowed)].into_iter().flatten().max();
            match after.filter(|after| *after > now) {
                Some(after) => wake = sooner(wake, Some(after)),
                None => {
                    self.start(at, now);
                    (coming, live) = (coming + 1, live + 1);
                }
            }
        }
        wake
    }

    fn start(&mut self, slot: usize, now: Instant) {
        self.next_member += 1;
        let id = MemberId { slot, number: self.next_member };
        self.starts.record(now);
        self.slots[slot].starting = Some(id);
        self.actions.push_back(Action::Start(id));
    }

    /// Starts a worker to take the place of the oldest one that is due, unless another one is being replaced.
    fn replace_one(&mut self, now: Instant) -> Option<Instant> {
        if self.phase != Phase::Open || self.is_broken() || self.slots.iter().any(Slot::is_replacing) {
            return None;
        }
        let active = self.slots.iter().filter_map(|slot| slot.active.as_ref());
        let due = active
            .clone()
            .filter(|member| member.is_due(now, self.reloaded_from))
            .min_by_key(|member| member.id.number);
        let Some(due) = due else { return active.filter_map(|member| member.age_end).min() };
        let slot = due.id.slot;
        let allowed = self.starts.next(now);
        let after = self.slots[slot].not_before.map_or(allowed, |after| after.max(allowed));
        if after > now {
            return Some(after);
        }
        self.start(slot, now);
        None
    }

    /// Lets workers go that were given nothing for long, down to the fewest.
    fn retire_idle(&mut self, now: Instant) -> Option<Instant> {
        let Rules { min, max, idle_timeout, .. } = self.rules;
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
            let Some(member) = &mut slot.active else { continue };
            let (is_open, taken, calls) = member.seats.counts();
            // The end of one that lets no calls in is about to be told, and calls may wait for that.
            if slot.starting.is_some() || !is_open {
                continue;
            }
            let (since, _) = match member.idle {
                Some(idle) if taken == 0 && idle.1 == calls => idle,
                _ => *member.idle.insert((now, calls)),
            };
            let end = since + idle_timeout;
            if taken == 0 && end <= now {
                spare -= 1;
                self.slots[at].active.take().into_iter().for_each(|member| self.retire(member));
            } else {
                // One that is busy now is asked after again when it can be idle for long at the earliest.
                wake = sooner(wake, Some(end));
            }
        }
        wake
    }

    fn retire(&mut self, mut member: Member<M>) {
        member.seats.close();
        if member.seats.taken() == 0 {
            member.is_told = true;
            self.actions.push_back(Action::Retire(member.id));
        }
        self.slots[member.id.slot].retiring.push(member);
    }

    /// A limit with up to a tenth less, so that workers that began together do not end together. 0 is none.
    fn limit(&mut self, limit: u64) -> u64 {
        match limit {
            0 => u64::MAX,
            limit => limit - (limit as f64 * self.random() / 10.0) as u64,
        }
    }

    fn a_part_less(&mut self, time: Duration) -> Duration {
        time.mul_f64(1.0 - self.random() / 10.0)
    }

    /// A number from 0 to 1.
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        rendezvous::mix(self.random) as f64 / u64::MAX as f64
    }
}
