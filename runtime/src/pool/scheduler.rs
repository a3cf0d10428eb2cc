//! Decisions of a pool: in which worker and when calls run, and which workers exist.
//!
//! The scheduler has no socket, clock or task. Its owner reports events with the current time, and
//! carries out the [`Action`]s that it asks for. `W` is the owner's handle to a worker, with the
//! worker's [permits](WorkerPermits). A call that finds a permit itself is not reported, unless the
//! scheduler [is contended](Scheduler::is_contended).

mod checkouts;
mod end_cause;
mod hang_check;
mod hung_workers;
mod lifecycle;
mod queue;
mod rate_window;
mod rendezvous_hash;
mod respawn_backoff;
#[cfg(test)]
mod simulation;
mod slot;
mod spares;
mod upkeep;
mod worker_permits;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Instant;

use self::checkouts::Reservations;
pub(crate) use self::end_cause::EndCause;
use self::queue::{Queue, QueuedCall};
use self::rate_window::RateWindow;
use self::respawn_backoff::RespawnBackoff;
pub(crate) use self::slot::SlotTotals;
use self::slot::{Instance, RequestedEnd, Slot};
use self::spares::Spares;
pub(crate) use self::worker_permits::{PermitCounts, WorkerPermits};
use super::config::PoolConfig;

/// Number of a worker from its start to its end. Later workers have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(pub(crate) u64);

/// Id of a queued call. Older calls have lower numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// Workers in which a call may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    #[default]
    Any,
    /// The worker in the slot of this key.
    Key(u64),
    Slot(usize),
}

/// Result of submitting a call.
#[derive(Debug)]
pub(crate) enum Submitted<W> {
    Run(W),
    Queued(Ticket),
}

/// Reason why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue is full.
    Full,
    /// No permit is free, and the call must not wait.
    WouldWait,
    /// A later call took its place in the full queue.
    Dropped,
    /// The workers keep crashing.
    Broken,
    /// The requested worker does not exist, or has ended and is not replaced.
    Gone,
    /// All workers have ended, and none is replaced.
    NoneLeft,
    /// The pool accepts no more calls.
    Closed,
}

/// Request to the owner of the scheduler.
#[derive(Debug)]
pub(crate) enum Action<W> {
    /// Run the queued call. It holds a permit.
    Run(Ticket, W),
    /// Start the session of the queued checkout. It holds all permits.
    CheckOut(Ticket, W),
    Fail(Ticket, Refusal),
    /// The worker of this slot takes no other call until it is idle and runs this checkout. `None`:
    /// it takes calls again. Only the simulation follows this.
    #[cfg_attr(not(test), expect(dead_code, reason = "the owner has nothing to do"))]
    Reserve(usize, Option<Ticket>),
    /// Let calls find the permits of this worker, which is now the one of this slot.
    Activate(usize, W),
    /// Start a worker, and report the result with [`Scheduler::started`] or
    /// [`Scheduler::start_failed`].
    Start(InstanceId),
    /// Close a worker that has no calls in flight, and report its end with [`Scheduler::ended`].
    Retire(InstanceId),
    /// Kill a hung worker, and report its end with [`Scheduler::ended`]. Its calls in flight fail.
    Kill(InstanceId),
    /// Kill a worker whose session was not given back, and report its end with
    /// [`Scheduler::ended`].
    Discard(InstanceId),
}

/// Snapshot of a slot, for statistics.
#[derive(Debug)]
pub(crate) struct SlotSnapshot<'a, W> {
    /// The worker that takes calls, and the time when it came up.
    pub(crate) active: Option<(&'a W, Instant)>,
    pub(crate) is_starting: bool,
    pub(crate) in_flight: u32,
    pub(crate) given_up: u32,
    pub(crate) retiring: usize,
    /// Number of workers, also retiring ones, that are checked out.
    pub(crate) checked_out: usize,
    pub(crate) totals: SlotTotals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Queued calls and calls in flight are finished.
    Draining,
    Closed,
}

/// State machine of a pool.
#[derive(Debug)]
pub(crate) struct Scheduler<W> {
    config: PoolConfig,
    slots: Vec<Slot<W>>,
    spares: Spares<W>,
    queue: Queue,
    reservations: Reservations,
    actions: VecDeque<Action<W>>,
    starts: RateWindow,
    backoff: RespawnBackoff,
    phase: Phase,
    /// Time at which the workers of the sessions that are left are killed, while the pool drains.
    sessions_until: Option<Instant>,
    /// Workers with lower numbers run an older program and are replaced.
    reload_from: u64,
    last_number: u64,
    /// State of splitmix64, for jitter.
    random: u64,
    /// `true` if an event may have changed the result of [`poll`](Self::poll).
    wants_poll: bool,
}

impl<W: WorkerPermits> Scheduler<W> {
    pub(crate) fn new(config: PoolConfig, seed: u64) -> Self {
        let slots = config.max;
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            spares: Spares::new(config.spares),
            queue: Queue::new(config.queue, config.when_full, slots),
            reservations: Reservations::default(),
            actions: VecDeque::new(),
            starts: RateWindow::new(config.spawn_rate),
            backoff: RespawnBackoff::new(&config),
            phase: Phase::Open,
            sessions_until: None,
            reload_from: 0,
            last_number: 0,
            random: seed,
            wants_poll: true,
            config,
        }
    }

    /// Submits a call. It runs immediately if a permit is left after all queued calls have theirs.
    pub(crate) fn submit(&mut self, target: Target, priority: i32) -> Result<Submitted<W>, Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::Closed);
        }
        self.place(target, priority, false, Queue::push)
    }

    /// Submits a call again that had a permit and was not sent. Its admission is not decided again:
    /// a pool that drains or whose queue is full takes it. `ticket`: its ticket, if it has waited.
    pub(crate) fn resubmit(
        &mut self,
        target: Target,
        priority: i32,
        ticket: Option<Ticket>,
    ) -> Result<Submitted<W>, Refusal> {
        if self.phase == Phase::Closed {
            return Err(Refusal::Closed);
        }
        self.wants_poll |= self.phase == Phase::Draining;
        self.place(target, priority, false, |queue, call| Ok((queue.push_again(ticket, call), None)))
    }

    /// Submits a call that must not wait. It never enters the queue, because a queued call may get
    /// a permit, or may have displaced another one, before it is removed. `is_again`: it had a
    /// permit and was not sent.
    pub(crate) fn submit_without_waiting(
        &mut self,
        target: Target,
        is_again: bool,
    ) -> Result<Submitted<W>, Refusal> {
        if self.phase == Phase::Closed || (self.phase == Phase::Draining && !is_again) {
            return Err(Refusal::Closed);
        }
        self.wants_poll |= self.phase == Phase::Draining;
        self.place(target, 0, false, |_, _| Err(Refusal::WouldWait))
    }

    fn place(
        &mut self,
        target: Target,
        priority: i32,
        is_checkout: bool,
        push: impl FnOnce(&mut Queue, QueuedCall) -> Result<(Ticket, Option<Ticket>), Refusal>,
    ) -> Result<Submitted<W>, Refusal> {
        let slot = self.resolve(target)?;
        // Permits may have been released since the last check, and queued calls go first.
        self.fill_all();
        let acquired = match slot {
            Some(slot) => self.acquire_in(slot, is_checkout),
            None => self.acquire_any(is_checkout),
        };
        if let Some(worker) = acquired {
            return Ok(Submitted::Run(worker));
        }
        if self.is_hopeless(slot) {
            return Err(Refusal::Broken);
        }
        let (ticket, dropped) = push(&mut self.queue, QueuedCall { target, priority, slot, is_checkout })?;
        self.actions.extend(dropped.map(|ticket| Action::Fail(ticket, Refusal::Dropped)));
        self.wants_poll |= self.lacks_workers(slot);
        Ok(Submitted::Queued(ticket))
    }

    /// Removes a cancelled call from the queue.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        self.remove(ticket);
        self.wants_poll |= self.phase == Phase::Draining;
    }

    /// Removes a call from the queue.
    fn remove(&mut self, ticket: Ticket) {
        self.queue.remove(ticket);
        // Calls for the worker that was reserved may wait.
        if let Some(slot) = self.reservations.remove(ticket) {
            self.fill(slot);
        }
    }

    /// Handles the release of a permit in this slot, of the active worker or a retiring one.
    pub(crate) fn permit_released(&mut self, slot: usize) {
        self.wants_poll |= self.phase == Phase::Draining;
        if let Some(instance) = &self.slots[slot].active {
            self.wants_poll |= instance.has_reached_recycle_calls();
        }
        self.wants_poll |= self.slots[slot].instances().any(Instance::owes_answer);
        for instance in &mut self.slots[slot].retiring {
            self.actions.extend(instance.end_if_idle());
        }
        self.fill(slot);
    }

    /// Returns `true` if every call must be [submitted](Self::submit) and every released permit
    /// reported.
    ///
    /// The owner must also treat the pool as contended while it submits a call. Then a permit that
    /// was released before is found here, and a permit that is released later is reported.
    pub(crate) fn is_contended(&self) -> bool {
        // The end of a session is always reported.
        let must_report =
            |instance: &Instance<W>| instance.requested_end == RequestedEnd::None && !instance.is_checked_out;
        let is_retiring = |slot: &Slot<W>| slot.retiring.iter().any(must_report);
        self.queue.len() > 0 || self.phase != Phase::Open || self.slots.iter().any(is_retiring)
    }

    pub(crate) fn next_action(&mut self) -> Option<Action<W>> {
        self.actions.pop_front()
    }

    /// Returns `true` if there are actions to carry out, or if [`poll`](Self::poll) must be called.
    pub(crate) fn has_work(&self) -> bool {
        self.wants_poll || !self.actions.is_empty()
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of workers that take calls.
    pub(crate) fn active(&self) -> usize {
        self.slots.iter().filter(|slot| slot.active.is_some()).count()
    }

    /// Returns a snapshot of each slot.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = SlotSnapshot<'_, W>> {
        self.slots.iter().map(|slot| SlotSnapshot {
            active: slot.active.as_ref().map(|instance| (&instance.permits, instance.since)),
            is_starting: slot.starting.is_some(),
            in_flight: slot.instances().map(|instance| instance.permits.in_flight()).sum(),
            given_up: slot.instances().map(|instance| instance.permits.counts().given_up).sum(),
            retiring: slot.retiring.len(),
            checked_out: slot.instances().filter(|instance| instance.is_checked_out).count(),
            totals: slot.instances().fold(slot.totals, |mut totals, instance| {
                totals.add_calls(instance.permits.counts());
                totals
            }),
        })
    }

    /// Returns `true` if workers keep crashing and none has come up since.
    pub(crate) fn is_broken(&self) -> bool {
        self.backoff.is_broken()
    }

    /// Returns the slots with an active or starting worker.
    pub(crate) fn live(&self) -> impl Iterator<Item = usize> {
        let live = |slot: &Slot<W>| slot.active.is_some() || slot.starting.is_some();
        self.slots.iter().enumerate().filter(move |(_, slot)| live(slot)).map(|(at, _)| at)
    }

    /// Returns the slot of a worker. `None` if it is a spare, or is gone.
    pub(crate) fn slot_of(&self, id: InstanceId) -> Option<usize> {
        let is_in =
            |slot: &Slot<W>| slot.starting == Some(id) || slot.instances().any(|instance| instance.id == id);
        self.slots.iter().position(is_in)
    }

    fn resolve(&self, target: Target) -> Result<Option<usize>, Refusal> {
        let there = || (0..self.slots.len()).filter(|slot| !self.slots[*slot].is_gone);
        match target {
            Target::Any => match there().next() {
                Some(_) => Ok(None),
                None => Err(Refusal::NoneLeft),
            },
            Target::Key(key) => rendezvous_hash::choose(key, there()).map(Some).ok_or(Refusal::NoneLeft),
            Target::Slot(slot) if self.slots.get(slot).is_some_and(|slot| !slot.is_gone) => Ok(Some(slot)),
            Target::Slot(_) => Err(Refusal::Gone),
        }
    }

    /// Acquires a permit of the worker with the most free permits, or all permits of an idle worker
    /// for a checkout.
    fn acquire_any(&mut self, is_checkout: bool) -> Option<W> {
        let free =
            |slot: &usize| self.slots[*slot].active.as_ref().map_or(0, |worker| worker.permits.available());
        let mut slots = 0..self.slots.len();
        let most_free = slots.clone().min_by_key(|slot| Reverse(free(slot)))?;
        // The numbers may be outdated, so workers without a free permit are also asked.
        self.acquire_in(most_free, is_checkout)
            .or_else(|| slots.find_map(|slot| self.acquire_in(slot, is_checkout)))
    }

    /// Acquires a permit of the worker in this slot, or all permits for a checkout.
    fn acquire_in(&mut self, slot: usize, is_checkout: bool) -> Option<W> {
        if self.reservations.of_slot(slot).is_some() {
            return None;
        }
        if is_checkout {
            return self.check_out_in(slot);
        }
        let instance = self.slots[slot].active.as_ref()?;
        instance.permits.try_acquire().then(|| instance.permits.clone())
    }

    /// Assigns free permits of the worker in this slot to queued calls.
    fn fill(&mut self, slot: usize) {
        // `available` may be outdated. Then the call that releases the permit reports it.
        while self.queue.has_any_for(slot)
            && let Some(free) = self.slots[slot].active.as_ref().map(|worker| worker.permits.available())
            && free > 0
        {
            let is_idle = free >= self.config.max_in_flight;
            let Some((ticket, is_checkout)) = self.next_for(slot, is_idle) else { return };
            if is_checkout {
                let Some(worker) = self.check_out_in(slot) else { return self.reserve(slot, ticket) };
                self.take(slot, ticket, is_idle);
                self.actions.push_back(Action::CheckOut(ticket, worker));
                self.cancel_reservation_elsewhere(slot, ticket);
            } else {
                let Some(worker) = self.acquire_in(slot, false) else { return };
                self.take(slot, ticket, is_idle);
                self.actions.push_back(Action::Run(ticket, worker));
            }
        }
    }

    fn fill_all(&mut self) {
        (0..self.slots.len()).for_each(|slot| self.fill(slot));
    }

    /// Returns `true` if a call for this slot (`None`: any) would wait for a worker that may never
    /// come up.
    fn is_hopeless(&self, slot: Option<usize>) -> bool {
        self.is_broken()
            && !self.spares.has_ready()
            && match slot {
                Some(slot) => self.slots[slot].active.is_none(),
                None => self.slots.iter().all(|slot| slot.active.is_none()),
            }
    }

    /// Returns `true` if a call that waits for this slot (`None`: any) may need another worker.
    fn lacks_workers(&self, slot: Option<usize>) -> bool {
        let lacks_worker =
            |slot: &Slot<W>| slot.is_vacant() || slot.active.as_ref().is_some_and(Instance::is_exhausted);
        match slot {
            Some(slot) => lacks_worker(&self.slots[slot]),
            None => self.slots.iter().any(lacks_worker),
        }
    }
}
