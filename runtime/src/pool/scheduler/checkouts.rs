//! Checkouts: sessions that have a worker of their own.
//!
//! A checkout is a call that takes all permits of an idle worker. It waits in the queue like a
//! call. If the next call of a worker is a checkout and the worker is busy, the worker is reserved
//! for it: it takes no other call until it is idle. So calls cannot starve a checkout. Any worker
//! that is idle earlier takes the checkout instead.

use std::time::Instant;

use super::queue::Queue;
use super::slot::RequestedEnd;
use super::{Action, InstanceId, Phase, Refusal, Scheduler, Slot, Submitted, Target, Ticket, WorkerPermits};

/// Busy workers that are reserved for checkouts: slots with tickets. At most one for each slot and
/// for each checkout.
#[derive(Debug, Default)]
pub(super) struct Reservations(Vec<(usize, Ticket)>);

impl Reservations {
    pub(super) fn of_slot(&self, slot: usize) -> Option<Ticket> {
        self.0.iter().find(|(other, _)| *other == slot).map(|(_, ticket)| *ticket)
    }

    fn is_elsewhere(&self, ticket: Ticket, slot: usize) -> bool {
        self.0.iter().any(|(other, reserved)| *other != slot && *reserved == ticket)
    }

    /// Removes the reservation for a checkout. Returns its slot.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<usize> {
        let at = self.0.iter().position(|(_, reserved)| *reserved == ticket)?;
        Some(self.0.swap_remove(at).0)
    }
}

impl<W: WorkerPermits> Scheduler<W> {
    /// Submits a checkout. It gets a worker immediately if one is idle after all queued calls have
    /// their permits.
    pub(crate) fn check_out(&mut self, target: Target, priority: i32) -> Result<Submitted<W>, Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::Closed);
        }
        self.place(target, priority, true, Queue::push)
    }

    /// Submits a checkout that must not wait. It never enters the queue.
    pub(crate) fn check_out_without_waiting(&mut self, target: Target) -> Result<Submitted<W>, Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::Closed);
        }
        self.place(target, 0, true, |_, _| Err(Refusal::WouldWait))
    }

    /// Handles the end of a session. The worker takes calls again once those of the session have
    /// ended, unless it was replaced meanwhile. `is_unused`: no call was made.
    pub(crate) fn give_back(&mut self, id: InstanceId, worker: &W, is_unused: bool) {
        worker.end_session(is_unused);
        if let Some(slot) = self.end_session(id) {
            self.permit_released(slot);
        }
    }

    /// Handles the end of a session that has left its state in the worker: the worker is killed and
    /// replaced.
    pub(crate) fn discard(&mut self, id: InstanceId, worker: &W) {
        worker.end_session(false);
        if let Some(slot) = self.end_session(id) {
            self.discard_in(slot, id);
        }
    }

    /// Ends the sessions that are left when the drain timeout has elapsed, and refuses the checkouts
    /// that wait. Returns the time at which it elapses, if there are any.
    pub(super) fn discard_late_sessions(&mut self, now: Instant) -> Option<Instant> {
        let until = self.sessions_until?;
        let waiting = self.queue.iter().filter(|(_, call)| call.is_checkout);
        let waiting: Vec<_> = waiting.map(|(ticket, _)| ticket).collect();
        let instances = self.slots.iter().flat_map(Slot::instances);
        let sessions: Vec<_> = instances.filter(|it| it.is_checked_out).map(|it| it.id).collect();
        if now < until {
            let is_needed = !waiting.is_empty() || !sessions.is_empty();
            return is_needed.then_some(until);
        }
        self.cancel_reservations();
        waiting.into_iter().for_each(|ticket| self.refuse(ticket, Refusal::Closed));
        for id in sessions {
            if let Some(slot) = self.end_session(id) {
                self.discard_in(slot, id);
            }
        }
        None
    }

    /// Marks the worker as free of its session. Returns its slot, or `None` if it is gone.
    fn end_session(&mut self, id: InstanceId) -> Option<usize> {
        let slot = self.slot_of(id)?;
        let it = &mut self.slots[slot];
        let instance = it.active.iter_mut().chain(&mut it.retiring).find(|instance| instance.id == id)?;
        std::mem::take(&mut instance.is_checked_out).then_some(slot)
    }

    fn discard_in(&mut self, slot: usize, id: InstanceId) {
        self.wants_poll = true;
        if let Some(mut instance) = self.slots[slot].active.take_if(|instance| instance.id == id) {
            instance.is_discarded = true;
            self.actions.extend(instance.end());
            self.retire(slot, instance);
            self.refuse_hopeless();
        } else if let Some(instance) = self.slots[slot].retiring.iter_mut().find(|it| it.id == id) {
            instance.is_discarded = true;
            if instance.requested_end != RequestedEnd::Kill {
                self.actions.extend(instance.end());
            }
        }
    }

    /// Returns the next call for the worker in this slot. `true`: it is a checkout.
    pub(super) fn next_for(&self, slot: usize, is_idle: bool) -> Option<(Ticket, bool)> {
        if let Some(ticket) = self.reservations.of_slot(slot) {
            return Some((ticket, true));
        }
        self.queue.next(slot, |ticket| !is_idle && self.reservations.is_elsewhere(ticket, slot))
    }

    /// Removes the [next](Self::next_for) call for the worker in this slot from the queue.
    pub(super) fn take(&mut self, slot: usize, ticket: Ticket, is_idle: bool) {
        let Self { queue, reservations, .. } = self;
        queue.take(slot, ticket, |other| !is_idle && reservations.is_elsewhere(other, slot));
    }

    /// Acquires all permits of the worker in this slot. `None` if it is not idle.
    pub(super) fn check_out_in(&mut self, slot: usize) -> Option<W> {
        let instance = self.slots[slot].active.as_mut()?;
        instance.permits.try_check_out().then(|| {
            instance.is_checked_out = true;
            instance.permits.clone()
        })
    }

    /// Reserves the busy worker in this slot for a checkout, unless another one is.
    pub(super) fn reserve(&mut self, slot: usize, ticket: Ticket) {
        let Reservations(all) = &mut self.reservations;
        if all.iter().all(|(_, reserved)| *reserved != ticket) {
            all.push((slot, ticket));
            // Its turn has come.
            self.queue.keep(ticket);
            self.actions.push_back(Action::Reserve(slot, Some(ticket)));
        }
    }

    /// Handles a worker that takes no more calls: the checkout for which it was reserved waits for
    /// another one.
    pub(super) fn cancel_reservation(&mut self, slot: usize) {
        if let Some(ticket) = self.reservations.of_slot(slot) {
            self.reservations.remove(ticket);
            self.actions.push_back(Action::Reserve(slot, None));
        }
    }

    /// Cancels all reservations. Calls that wait for these workers are not assigned yet.
    pub(super) fn cancel_reservations(&mut self) {
        while let Some((slot, _)) = self.reservations.0.pop() {
            self.actions.push_back(Action::Reserve(slot, None));
        }
    }

    /// Cancels the reservation of a worker that has ended, if it was the active one of its slot.
    pub(super) fn cancel_reservation_of(&mut self, id: InstanceId, slot: usize) {
        if self.slots[slot].active.as_ref().is_some_and(|instance| instance.id == id) {
            self.cancel_reservation(slot);
        }
    }

    /// Handles a checkout that the worker in this slot has taken. Another one that was reserved for
    /// it takes calls again.
    pub(super) fn cancel_reservation_elsewhere(&mut self, slot: usize, ticket: Ticket) {
        if let Some(other) = self.reservations.remove(ticket).filter(|other| *other != slot) {
            self.fill(other);
        }
    }
}
