//! Queue of the calls that wait for a worker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Refusal, Target, Ticket};
use crate::pool::config::WhenFull;

/// Maximum number of calls in a row that a worker takes before the oldest call that waits for it.
///
/// So the oldest call is overtaken at most 15 times, whatever the priorities. A call with `n` older
/// calls before it waits for at most `16 * n + 15` calls.
pub(super) const MAX_OVERTAKES: u32 = 15;

/// Number below which tickets are for calls that are made again without having waited.
const FIRST_TICKET: u64 = 1 << 32;

/// Calls that wait for a worker, by priority and age.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    when_full: WhenFull,
    inside: Lanes,
    /// Calls that wait for room in the queue. A worker takes them directly if it would be idle.
    outside: Lanes,
    last_ticket: u64,
    /// Ticket before which no other was given to a call that was made again.
    first_ticket: u64,
    /// For each slot, the number of calls in a row that it took before the oldest call.
    overtakes: Vec<u32>,
}

/// A call that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuedCall {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// The only slot in which the call can run, or `None` for any.
    pub(super) slot: Option<usize>,
    /// `true` if it is a checkout, which needs an idle worker.
    pub(super) is_checkout: bool,
}

impl QueuedCall {
    fn is_checkout_for_any(&self) -> bool {
        self.is_checkout && self.slot.is_none()
    }
}

impl Queue {
    pub(super) fn new(limit: usize, when_full: WhenFull, slots: usize) -> Self {
        let (inside, outside) = (Lanes::new(slots), Lanes::new(slots));
        let (first_ticket, last_ticket) = (FIRST_TICKET, FIRST_TICKET);
        Self { limit, when_full, inside, outside, last_ticket, first_ticket, overtakes: vec![0; slots] }
    }

    /// Adds a call. The second ticket belongs to a call that was dropped to make room.
    pub(super) fn push(&mut self, call: QueuedCall) -> Result<(Ticket, Option<Ticket>), Refusal> {
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
                    let victim = self.inside.oldest_of_lowest_priority(call.priority).ok_or(Refusal::Full)?;
                    self.inside.remove(victim);
                    dropped = Some(victim);
                }
            }
        }
        let ticket = self.ticket();
        self.inside.insert(ticket, call);
        Ok((ticket, dropped))
    }

    /// Adds a call that was admitted before, whether the queue is full or not. It is not dropped to
    /// make room. It keeps its `ticket`, or is older than all others if it never waited.
    pub(super) fn push_again(&mut self, ticket: Option<Ticket>, call: QueuedCall) -> Ticket {
        let ticket = ticket.unwrap_or_else(|| {
            self.first_ticket -= 1;
            Ticket(self.first_ticket)
        });
        self.inside.insert_kept(ticket, call);
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// Returns the next call for a worker in this slot, without the skipped ones. `true`: it is a
    /// checkout.
    pub(super) fn next(&self, slot: usize, is_skipped: impl Fn(Ticket) -> bool) -> Option<(Ticket, bool)> {
        let lanes = self.lanes(slot, &is_skipped)?;
        let ticket = if self.overtakes[slot] >= MAX_OVERTAKES {
            lanes.oldest(slot, &is_skipped)?
        } else {
            lanes.highest_priority(slot, &is_skipped)?
        };
        Some((ticket, lanes.calls.get(&ticket)?.is_checkout))
    }

    /// Removes a call that a worker in this slot takes. The skipped ones are not overtaken.
    pub(super) fn take(&mut self, slot: usize, ticket: Ticket, is_skipped: impl Fn(Ticket) -> bool) {
        let oldest = self.lanes(slot, &is_skipped).and_then(|lanes| lanes.oldest(slot, &is_skipped));
        let overtakes = &mut self.overtakes[slot];
        // A call that is made again may become the oldest after a worker was reserved for this one.
        *overtakes = if oldest == Some(ticket) { 0 } else { (*overtakes + 1).min(MAX_OVERTAKES) };
        self.remove(ticket);
    }

    /// Lanes from which a worker in this slot takes its next call.
    fn lanes(&self, slot: usize, is_skipped: impl Fn(Ticket) -> bool) -> Option<&Lanes> {
        [&self.inside, &self.outside].into_iter().find(|lanes| lanes.oldest(slot, &is_skipped).is_some())
    }

    /// Keeps a call from being dropped to make room.
    pub(super) fn keep(&mut self, ticket: Ticket) {
        for lanes in [&mut self.inside, &mut self.outside] {
            if let Some(call) = lanes.calls.get(&ticket) {
                lanes.droppable.remove((Reverse(call.priority), ticket));
            }
        }
    }

    /// Removes a call. Returns `None` if it is not queued.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<QueuedCall> {
        let removed = self.inside.remove(ticket).or_else(|| self.outside.remove(ticket));
        while self.inside.len() < self.limit
            && let Some((ticket, call, is_droppable)) = self.outside.pop_oldest()
        {
            self.inside.insert_as(ticket, call, is_droppable);
        }
        removed
    }

    /// Moves a call to another slot. It keeps its age and priority.
    pub(super) fn move_to(&mut self, ticket: Ticket, slot: usize) {
        for lanes in [&mut self.inside, &mut self.outside] {
            let is_droppable = lanes.droppable.by_age.contains(&ticket);
            if let Some(call) = lanes.remove(ticket) {
                let call = QueuedCall { slot: Some(slot), ..call };
                lanes.insert_as(ticket, call, is_droppable);
            }
        }
    }

    /// Returns `true` if a call waits that can run in this slot.
    pub(super) fn has_any_for(&self, slot: usize) -> bool {
        self.inside.has_any_for(slot) || self.outside.has_any_for(slot)
    }

    /// Returns all calls, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ticket, &QueuedCall)> {
        self.inside.calls.iter().chain(&self.outside.calls).map(|(ticket, call)| (*ticket, call))
    }

    /// Returns the number of calls that can run only in this slot.
    pub(super) fn waiting_for(&self, slot: usize) -> usize {
        self.inside.own[slot].by_age.len() + self.outside.own[slot].by_age.len()
    }

    /// Returns the number of permits that the calls need which can run in any slot. A checkout
    /// needs those of a whole worker.
    pub(super) fn permits_for_any(&self, max_in_flight: usize) -> usize {
        let calls = self.inside.any.by_age.len() + self.outside.any.by_age.len();
        let checkouts = self.inside.checkouts_for_any + self.outside.checkouts_for_any;
        calls.saturating_add(checkouts.saturating_mul(max_in_flight - 1))
    }

    pub(super) fn len(&self) -> usize {
        self.inside.len() + self.outside.len()
    }

    /// Returns the number of calls that count toward the limit.
    #[cfg(test)]
    pub(super) fn inside(&self) -> usize {
        self.inside.len()
    }
}

/// Calls in one lane for each slot, and one lane for calls that can run in any slot.
#[derive(Debug)]
struct Lanes {
    calls: BTreeMap<Ticket, QueuedCall>,
    /// Calls that may be dropped to make room.
    droppable: Lane,
    any: Lane,
    own: Vec<Lane>,
    /// Number of checkouts in `any`.
    checkouts_for_any: usize,
}

/// Tickets by priority and by age.
#[derive(Clone, Debug, Default)]
struct Lane {
    by_priority: BTreeSet<(Reverse<i32>, Ticket)>,
    by_age: BTreeSet<Ticket>,
}

impl Lanes {
    fn new(slots: usize) -> Self {
        let (calls, own) = (BTreeMap::new(), vec![Lane::default(); slots]);
        Self { calls, droppable: Lane::default(), any: Lane::default(), own, checkouts_for_any: 0 }
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

    fn insert(&mut self, ticket: Ticket, call: QueuedCall) {
        self.insert_as(ticket, call, true);
    }

    fn insert_as(&mut self, ticket: Ticket, call: QueuedCall, is_droppable: bool) {
        if is_droppable {
            self.droppable.insert((Reverse(call.priority), ticket));
        }
        self.insert_kept(ticket, call);
    }

    /// Inserts a call that is not dropped to make room.
    fn insert_kept(&mut self, ticket: Ticket, call: QueuedCall) {
        let rank = (Reverse(call.priority), ticket);
        self.lane(call.slot).insert(rank);
        self.checkouts_for_any += usize::from(call.is_checkout_for_any());
        self.calls.insert(ticket, call);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<QueuedCall> {
        let call = self.calls.remove(&ticket)?;
        let rank = (Reverse(call.priority), ticket);
        self.droppable.remove(rank);
        self.lane(call.slot).remove(rank);
        self.checkouts_for_any -= usize::from(call.is_checkout_for_any());
        Some(call)
    }

    /// Removes and returns the oldest call. `true`: it may be dropped to make room.
    fn pop_oldest(&mut self) -> Option<(Ticket, QueuedCall, bool)> {
        let (&ticket, _) = self.calls.first_key_value()?;
        let is_droppable = self.droppable.by_age.contains(&ticket);
        Some((ticket, self.remove(ticket)?, is_droppable))
    }

    fn has_any_for(&self, slot: usize) -> bool {
        !self.any.by_age.is_empty() || !self.own[slot].by_age.is_empty()
    }

    fn oldest(&self, slot: usize, is_skipped: impl Fn(Ticket) -> bool) -> Option<Ticket> {
        let first = |lane: &Lane| lane.by_age.iter().copied().find(|ticket| !is_skipped(*ticket));
        [&self.any, &self.own[slot]].into_iter().filter_map(first).min()
    }

    fn highest_priority(&self, slot: usize, is_skipped: impl Fn(Ticket) -> bool) -> Option<Ticket> {
        let first = |lane: &Lane| lane.by_priority.iter().copied().find(|(_, ticket)| !is_skipped(*ticket));
        [&self.any, &self.own[slot]].into_iter().filter_map(first).min().map(|(_, ticket)| ticket)
    }

    /// Returns the oldest call with the lowest priority, unless that priority is higher than
    /// `priority`.
    fn oldest_of_lowest_priority(&self, priority: i32) -> Option<Ticket> {
        let (lowest, _) = *self.droppable.by_priority.last()?;
        if lowest.0 > priority {
            return None;
        }
        self.droppable.by_priority.range((lowest, Ticket(0))..).next().map(|(_, ticket)| *ticket)
    }
}

impl Lane {
    fn insert(&mut self, rank: (Reverse<i32>, Ticket)) {
        self.by_priority.insert(rank);
        self.by_age.insert(rank.1);
    }

    fn remove(&mut self, rank: (Reverse<i32>, Ticket)) {
        self.by_priority.remove(&rank);
        self.by_age.remove(&rank.1);
    }
}
