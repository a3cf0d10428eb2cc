use std::time::Instant;

use super::{MemberId, Seats};

/// A place for one worker at a time. Keys belong to places, so that they stay where they are when a worker is replaced.
#[derive(Debug)]
pub(super) struct Slot<M> {
    /// The one that takes calls.
    pub(super) active: Option<Member<M>>,
    /// The one that is being started: the first, or to replace the active one.
    pub(super) starting: Option<MemberId>,
    /// Those that take no more calls and finish what is in flight.
    pub(super) retiring: Vec<Member<M>>,
    /// How many in a row have died soon after their start.
    pub(super) died_young: u32,
    /// No start before this, after a crash.
    pub(super) not_before: Option<Instant>,
    /// Whether its worker ended and no other is to follow.
    pub(super) is_gone: bool,
    /// The calls of workers that have ended.
    pub(super) done: u64,
    pub(super) crashes: u64,
    pub(super) starts: u64,
}

impl<M> Default for Slot<M> {
    fn default() -> Self {
        Self {
            active: None,
            starting: None,
            retiring: Vec::new(),
            died_young: 0,
            not_before: None,
            is_gone: false,
            done: 0,
            crashes: 0,
            starts: 0,
        }
    }
}

impl<M> Slot<M> {
    pub(super) fn is_vacant(&self) -> bool {
        self.active.is_none() && self.starting.is_none() && !self.is_gone
    }

    pub(super) fn is_replacing(&self) -> bool {
        self.active.is_some() && self.starting.is_some()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member<M>> {
        self.active.iter().chain(&self.retiring)
    }
}

/// A worker that has come up.
#[derive(Debug)]
pub(super) struct Member<M> {
    pub(super) id: MemberId,
    pub(super) seats: M,
    /// Whether it was retired, and its owner has been told to close it.
    pub(super) is_told: bool,
    pub(super) since: Instant,
    /// The calls after which it is replaced.
    pub(super) calls_end: u64,
    /// When it is replaced.
    pub(super) age_end: Option<Instant>,
    /// The resident bytes at which it is replaced.
    pub(super) memory_end: u64,
    pub(super) resident: Option<u64>,
    /// Since when it has been given no call, and how many it had been given then.
    pub(super) idle: Option<(Instant, u64)>,
}

impl<M: Seats> Member<M> {
    /// How many calls have ended.
    pub(super) fn done(&self) -> u64 {
        let (_, taken, calls) = self.seats.counts();
        calls.saturating_sub(taken.into())
    }

    pub(super) fn has_had_its_calls(&self) -> bool {
        self.seats.counts().2 >= self.calls_end
    }

    /// Whether it is to be replaced.
    pub(super) fn is_due(&self, now: Instant, reloaded_from: u64) -> bool {
        self.has_had_its_calls()
            || self.age_end.is_some_and(|end| end <= now)
            || self.resident.is_some_and(|resident| resident > self.memory_end)
            || self.id.number < reloaded_from
    }
}
