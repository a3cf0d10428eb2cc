//! What a pool decides: which call runs where and when, and which workers there are.
//!
//! There is no socket, clock or task in here. Whoever owns it tells it what has happened and what time it is, and
//! carries out the [`Action`]s that it asks for. `M` is what the owner knows a worker by, with its [`Seats`]: a call that
//! finds one by itself is none of the scheduler's, unless it [wants to know](Scheduler::is_crowded).

mod life;
mod queue;
mod rendezvous;
mod seats;
#[cfg(test)]
mod simulation;
mod slot;
mod window;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Instant;

pub(crate) use self::life::HowEnded;
use self::queue::{Queue, Waiting};
pub(crate) use self::seats::Seats;
use self::slot::{Member, Slot};
use self::window::Window;
use super::rules::Rules;

/// A worker, from its start to its end: the number of its slot, and one that no other worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberId {
    pub(crate) slot: usize,
    pub(crate) number: u64,
}

/// A call that waits. An older one has a lower number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// Which workers a call may run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    #[default]
    Any,
    /// The one that has this key.
    Key(u64),
    Slot(usize),
}

/// What becomes of a call that is submitted.
#[derive(Debug)]
pub(crate) enum Submitted<M> {
    Run(MemberId, M),
    Queued(Ticket),
}

/// Why a call will not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue is full.
    Full,
    /// It has made way for a later one.
    Dropped,
    /// The workers keep crashing.
    Broken,
    /// The worker that it is for has ended for good, or there is no such worker.
    Gone,
    /// All workers have ended for good.
    NoneLeft,
    /// The pool takes no calls any more.
    Closed,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action<M> {
    /// Run the call that waits. It has a seat.
    Run(Ticket, MemberId, M),
    Fail(Ticket, Refusal),
    /// Start a worker. [`Scheduler::started`] or [`Scheduler::start_failed`] tells how it went.
    Start(MemberId),
    /// Close a worker that nothing is in flight at. [`Scheduler::ended`] tells of its end.
    Retire(MemberId),
}

/// What there is in a slot, for those who look on.
#[derive(Debug)]
pub(crate) struct Place<'a, M> {
    /// The worker that takes calls, and since when.
    pub(crate) active: Option<(&'a M, Instant)>,
    pub(crate) is_starting: bool,
    pub(crate) in_flight: u32,
    pub(crate) retiring: usize,
    pub(crate) done: u64,
    pub(crate) crashes: u64,
    pub(crate) starts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// What waits and what is in flight is finished.
    Draining,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Scheduler<M> {
    rules: Rules,
    slots: Vec<Slot<M>>,
    queue: Queue,
    actions: VecDeque<Action<M>>,
    starts: Window,
    crashes: Window,
    /// How many starts in a row have failed, whatever the slot.
    failed_starts: u32,
    /// While workers keep crashing: when the next one is tried.
    broken: Option<Instant>,
    phase: Phase,
    /// The workers with lower numbers are those of an older program.
    reloaded_from: u64,
    next_member: u64,
    /// The state of splitmix64, for jitter.
    random: u64,
    /// Whether something has happened that [`poll`](Self::poll) may have an answer to.
    wants_poll: bool,
}

impl<M: Seats> Scheduler<M> {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        let slots = rules.max;
        Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            queue: Queue::new(rules.queue, rules.when_full, slots),
            actions: VecDeque::new(),
            starts: Window::new(rules.spawn_rate),
            crashes: Window::new(rules.restart_limit),
            failed_starts: 0,
            broken: None,
            phase: Phase::Open,
            reloaded_from: 0,
            next_member: 0,
            random: seed,
            wants_poll: true,
            rules,
        }
    }

    /// Takes a call in. It runs at once, with a seat, where nothing that waits can have that.
    pub(crate) fn submit(&mut self, target: Target, priority: i32) -> Result<Submitted<M>, Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::Closed);
        }
        let slot = self.resolve(target)?;
        // Seats may have been given back since.
        self.fill_all();
        let seated = match slot {
            Some(slot) => self.seat(slot),
            None => self.seat_any(),
        };
        if let Some((id, handle)) = seated {
            return Ok(Submitted::Run(id, handle));
        }
        if self.is_hopeless(slot) {
            return Err(Refusal::Broken);
        }
        let (ticket, dropped) = self.queue.push(Waiting { target, priority, slot })?;
        self.actions.extend(dropped.map(|ticket| Action::Fail(ticket, Refusal::Dropped)));
        self.wants_poll |= self.lacks_workers(slot);
        Ok(Submitted::Queued(ticket))
    }

    /// Takes a call out of the queue that is not wanted any more.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        self.queue.remove(ticket);
        self.wants_poll |= self.phase == Phase::Draining;
    }

    /// A seat in this slot was given back, of the worker that takes calls or of another one.
    pub(crate) fn vacated(&mut self, slot: usize) {
        self.wants_poll |= self.phase == Phase::Draining;
        let Slot { active, retiring, .. } = &mut self.slots[slot];
        if let Some(member) = active {
            self.wants_poll |= member.has_had_its_calls();
        }
        for member in retiring {
            if !member.is_told && member.seats.taken() == 0 {
                member.is_told = true;
                self.actions.push_back(Action::Retire(member.id));
            }
        }
        self.fill(slot);
    }

    /// Whether every call is to be [submitted](Self::submit), and every seat that is given back to be told of. It is to be
    /// so while a call asks for a seat here, too: one that was given back before is seen then, and one after is told of.
    pub(crate) fn is_crowded(&self) -> bool {
        let is_retiring = |slot: &Slot<M>| slot.retiring.iter().any(|member| !member.is_told);
        self.queue.len() > 0 || self.phase != Phase::Open || self.slots.iter().any(is_retiring)
    }

    pub(crate) fn next_action(&mut self) -> Option<Action<M>> {
        self.actions.pop_front()
    }

    /// Whether the owner has something to do: actions, or a [`poll`](Self::poll).
    pub(crate) fn wants_owner(&self) -> bool {
        self.wants_poll || !self.actions.is_empty()
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many workers take calls.
    pub(crate) fn active(&self) -> usize {
        self.slots.iter().filter(|slot| slot.active.is_some()).count()
    }

    /// The slots, each as it is now.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place<'_, M>> {
        self.slots.iter().map(|slot| Place {
            active: slot.active.as_ref().map(|member| (&member.seats, member.since)),
            is_starting: slot.starting.is_some(),
            in_flight: slot.members().map(|member| member.seats.taken()).sum(),
            retiring: slot.retiring.len(),
            done: slot.done + slot.members().map(Member::done).sum::<u64>(),
            crashes: slot.crashes,
            starts: slot.starts,
        })
    }

    /// Whether workers keep crashing and no new one has come up since.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The slots that have a worker or are about to.
    pub(crate) fn live(&self) -> impl Iterator<Item = usize> {
        let live = |slot: &Slot<M>| slot.active.is_some() || slot.starting.is_some();
        self.slots.iter().enumerate().filter(move |(_, slot)| live(slot)).map(|(at, _)| at)
    }

    fn resolve(&self, target: Target) -> Result<Option<usize>, Refusal> {
        let there = || (0..self.slots.len()).filter(|slot| !self.slots[*slot].is_gone);
        match target {
            Target::Any => match there().next() {
                Some(_) => Ok(None),
                None => Err(Refusal::NoneLeft),
            },
            Target::Key(key) => rendezvous::choose(key, there()).map(Some).ok_or(Refusal::NoneLeft),
            Target::Slot(slot) if self.slots.get(slot).is_some_and(|slot| !slot.is_gone) => Ok(Some(slot)),
            Target::Slot(_) => Err(Refusal::Gone),
        }
    }

    /// A seat at the worker with the most free ones.
    fn seat_any(&self) -> Option<(MemberId, M)> {
        let free = |slot: &usize| self.slots[*slot].active.as_ref().map_or(0, |member| member.seats.free());
        let mut slots = 0..self.slots.len();
        let roomiest = slots.clone().min_by_key(|slot| Reverse(free(slot)))?;
        // What they show may be old, so that those that seem to have none are asked, too.
        self.seat(roomiest).or_else(|| slots.find_map(|slot| self.seat(slot)))
    }

    /// A seat at the worker in this slot.
    fn seat(&self, slot: usize) -> Option<(MemberId, M)> {
        let member = self.slots[slot].active.as_ref()?;
        member.seats.take().then(|| (member.id, member.seats.clone()))
    }

    /// Gives the worker in this slot what it has room for.
    fn fill(&mut self, slot: usize) {
        // Where it shows none and has one, whoever gives that back tells of it.
        while self.queue.has_any_for(slot)
            && self.slots[slot].active.as_ref().is_some_and(|member| member.seats.free() > 0)
            && let Some((id, seats)) = self.seat(slot)
            && let Some(ticket) = self.queue.take(slot)
        {
            self.actions.push_back(Action::Run(ticket, id, seats));
        }
    }

    fn fill_all(&mut self) {
        (0..self.slots.len()).for_each(|slot| self.fill(slot));
    }

    /// Whether a call for this slot, or for any, would wait for a worker that may never come up.
    fn is_hopeless(&self, slot: Option<usize>) -> bool {
        self.is_broken()
            && match slot {
                Some(slot) => self.slots[slot].active.is_none(),
                None => self.slots.iter().all(|slot| slot.active.is_none()),
            }
    }

    /// Whether a call that waits for this slot, or for any, may be a reason to start a worker.
    fn lacks_workers(&self, slot: Option<usize>) -> bool {
        match slot {
            Some(slot) => self.slots[slot].is_vacant(),
            None => self.slots.iter().any(Slot::is_vacant),
        }
    }
}
