use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Refusal, Target, Ticket};
use crate::pool::WhenFull;

/// How many calls in a row a worker may take before the oldest one that waits for it. So the oldest waits for so many
/// calls at most, one with `n` older ones for `n + 1` times as many, whatever the priorities.
pub(super) const PATIENCE: u32 = 15;

/// Calls that wait for a worker.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    when_full: WhenFull,
    inside: Lanes,
    /// Those that wait for room. A worker that would be idle takes them from there, too.
    outside: Lanes,
    next: u64,
    /// For each slot: how many calls in a row it has taken before the oldest.
    overtaken: Vec<u32>,
}

/// What is known of a call that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// The only slot that it can run in, where it is not any.
    pub(super) slot: Option<usize>,
}

impl Queue {
    pub(super) fn new(limit: usize, when_full: WhenFull, slots: usize) -> Self {
        let (inside, outside) = (Lanes::new(slots), Lanes::new(slots));
        Self { limit, when_full, inside, outside, next: 0, overtaken: vec![0; slots] }
    }

    /// Takes a call in; the second ticket is that of one that makes way for it.
    pub(super) fn push(&mut self, call: Waiting) -> Result<(Ticket, Option<Ticket>), Refusal> {
        let mut dropped = None;
        if self.inside.len() >= self.limit {
            match self.when_full {
                WhenFull::Wait => {
                    let ticket = self.ticket();
                    self.outside.insert(ticket, call);
                    return Ok((ticket, None));
                }
                WhenFull::Reject => return Err(Refusal::Full),
                WhenFull::DropOldest => {
                    let victim = self.inside.least_urgent(call.priority).ok_or(Refusal::Full)?;
                    self.inside.remove(victim);
                    dropped = Some(victim);
                }
            }
        }
        let ticket = self.ticket();
        self.inside.insert(ticket, call);
        Ok((ticket, dropped))
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// The call that a worker in this slot is to take next.
    pub(super) fn take(&mut self, slot: usize) -> Option<Ticket> {
        let lanes = if self.inside.has_any_for(slot) { &self.inside } else { &self.outside };
        let oldest = lanes.oldest(slot)?;
        let overtaken = &mut self.overtaken[slot];
        let ticket = if *overtaken >= PATIENCE { oldest } else { lanes.most_urgent(slot)? };
        *overtaken = if ticket == oldest { 0 } else { *overtaken + 1 };
        self.remove(ticket);
        Some(ticket)
    }

    /// Takes a call out. `None`: it is not there.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waiting> {
        let removed = self.inside.remove(ticket).or_else(|| self.outside.remove(ticket));
        while self.inside.len() < self.limit
            && let Some((ticket, call)) = self.outside.pop_oldest()
        {
            self.inside.insert(ticket, call);
        }
        removed
    }

    /// Moves a call to another slot. It keeps its place in the order.
    pub(super) fn move_to(&mut self, ticket: Ticket, slot: usize) {
        for lanes in [&mut self.inside, &mut self.outside] {
            if let Some(call) = lanes.remove(ticket) {
                lanes.insert(ticket, Waiting { slot: Some(slot), ..call });
            }
        }
    }

    /// Whether a call waits that a worker in this slot may have.
    pub(super) fn has_any_for(&self, slot: usize) -> bool {
        self.inside.has_any_for(slot) || self.outside.has_any_for(slot)
    }

    /// All that wait, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ticket, &Waiting)> {
        self.inside.calls.iter().chain(&self.outside.calls).map(|(ticket, call)| (*ticket, call))
    }

    /// How many wait for a worker in this slot and no other.
    pub(super) fn waiting_for(&self, slot: usize) -> usize {
        self.inside.own[slot].aged.len() + self.outside.own[slot].aged.len()
    }

    /// How many wait for any worker.
    pub(super) fn waiting_for_any(&self) -> usize {
        self.inside.any.aged.len() + self.outside.any.aged.len()
    }

    pub(super) fn len(&self) -> usize {
        self.inside.len() + self.outside.len()
    }

    /// How many the limit counts.
    #[cfg(test)]
    pub(super) fn inside(&self) -> usize {
        self.inside.len()
    }
}

/// Calls by the slot that they wait for, each lane by priority and by age.
#[derive(Debug)]
struct Lanes {
    calls: BTreeMap<Ticket, Waiting>,
    all: Lane,
    any: Lane,
    own: Vec<Lane>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    ranked: BTreeSet<(Reverse<i32>, Ticket)>,
    aged: BTreeSet<Ticket>,
}

impl Lanes {
    fn new(slots: usize) -> Self {
        let calls = BTreeMap::new();
        Self { calls, all: Lane::default(), any: Lane::default(), own: vec![Lane::default(); slots] }
    }

    fn len(&self) -> usize {
        self.calls.len()
    }

    fn lane(&mut self, slot: Option<usize>) -> &mut Lane {
        match slot {
            Some(slot) => &mut self.own[slot],
            None => &mut self.any,
        }
    }

    fn insert(&mut self, ticket: Ticket, call: Waiting) {
        let rank = (Reverse(call.priority), ticket);
        self.all.insert(rank);
        self.lane(call.slot).insert(rank);
        self.calls.insert(ticket, call);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Waiting> {
        let call = self.calls.remove(&ticket)?;
        let rank = (Reverse(call.priority), ticket);
        self.all.remove(rank);
        self.lane(call.slot).remove(rank);
        Some(call)
    }

    fn pop_oldest(&mut self) -> Option<(Ticket, Waiting)> {
        let (&ticket, _) = self.calls.first_key_value()?;
        Some((ticket, self.remove(ticket)?))
    }

    fn has_any_for(&self, slot: usize) -> bool {
        !self.any.aged.is_empty() || !self.own[slot].aged.is_empty()
    }

    fn oldest(&self, slot: usize) -> Option<Ticket> {
        [&self.any, &self.own[slot]].into_iter().filter_map(|lane| lane.aged.first()).min().copied()
    }

    fn most_urgent(&self, slot: usize) -> Option<Ticket> {
        let lanes = [&self.any, &self.own[slot]];
        lanes.into_iter().filter_map(|lane| lane.ranked.first()).min().map(|(_, ticket)| *ticket)
    }

    /// The oldest of the least urgent, unless even they are more urgent than `priority`.
    fn least_urgent(&self, priority: i32) -> Option<Ticket> {
        let (least, _) = *self.all.ranked.last()?;
        if least.0 > priority {
            return None;
        }
        self.all.ranked.range((least, Ticket(0))..).next().map(|(_, ticket)| *ticket)
    }
}

impl Lane {
    fn insert(&mut self, rank: (Reverse<i32>, Ticket)) {
        self.ranked.insert(rank);
        self.aged.insert(rank.1);
    }

    fn remove(&mut self, rank: (Reverse<i32>, Ticket)) {
        self.ranked.remove(&rank);
        self.aged.remove(&rank.1);
    }
}
