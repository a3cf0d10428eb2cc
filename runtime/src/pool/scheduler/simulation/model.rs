use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::super::queue::PATIENCE;
use super::super::{MemberId, Refusal, Target, Ticket};
use crate::pool::{Restart, Rules, WhenFull};

/// What may happen, kept in the plainest way there is.
pub(super) struct Model {
    rules: Rules,
    pub(super) waiting: BTreeMap<Ticket, Call>,
    /// Those that the limit of the queue counts.
    inside: HashSet<Ticket>,
    pub(super) running: Vec<MemberId>,
    pub(super) starting: Vec<MemberId>,
    /// Who takes calls, for each slot.
    pub(super) active: Vec<Option<MemberId>>,
    pub(super) retiring: HashSet<MemberId>,
    /// Those that are given no more calls until their end is told.
    pub(super) lost: HashSet<MemberId>,
    /// Those that were told to end.
    pub(super) leaving: HashSet<MemberId>,
    starts: VecDeque<Instant>,
    /// When workers ended that are to be followed by others, or did not come up.
    missing: VecDeque<Instant>,
    failed_starts: u32,
    is_broken: bool,
    /// How many calls in a row a slot has taken before the oldest.
    overtaken: HashMap<usize, u32>,
    settled: HashSet<Ticket>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// Where a key's call waits, as the scheduler says: checked to be always the same for a key.
    pub(super) slot: Option<usize>,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            active: vec![None; rules.max],
            rules,
            waiting: BTreeMap::new(),
            inside: HashSet::new(),
            running: Vec::new(),
            starting: Vec::new(),
            retiring: HashSet::new(),
            lost: HashSet::new(),
            leaving: HashSet::new(),
            missing: VecDeque::new(),
            failed_starts: 0,
            is_broken: false,
            starts: VecDeque::new(),
            overtaken: HashMap::new(),
            settled: HashSet::new(),
        }
    }

    pub(super) fn queued(&mut self, ticket: Ticket, call: Call) {
        let is_room = self.inside.len() < self.rules.queue;
        assert!(self.waiting.insert(ticket, call).is_none(), "a ticket is used twice");
        if is_room || self.rules.when_full == WhenFull::DropOldest {
            self.inside.insert(ticket);
        } else {
            assert_eq!(self.rules.when_full, WhenFull::Wait, "the queue is full and takes a call");
        }
    }

    /// Checks the bound, once all is done that came of a step.
    pub(super) fn check_bound(&self, inside: usize, waiting: usize) {
        assert!(inside <= self.rules.queue, "{inside} calls in a queue of {}", self.rules.queue);
        assert_eq!((inside, waiting), (self.inside.len(), self.waiting.len()));
    }

    pub(super) fn gone(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket).expect("a call that waits");
        self.inside.remove(&ticket);
        if self.inside.len() < self.rules.queue {
            let next = self.waiting.keys().find(|ticket| !self.inside.contains(ticket));
            self.inside.extend(next.copied());
        }
    }

    pub(super) fn failed(&mut self, ticket: Ticket, why: Refusal) {
        assert!(self.settled.insert(ticket), "a call that ended fails");
        if why == Refusal::Dropped {
            assert_eq!(self.rules.when_full, WhenFull::DropOldest);
        }
        self.gone(ticket);
    }

    /// Checks that the call is the right one for this worker.
    pub(super) fn dispatched(&mut self, ticket: Ticket, id: MemberId) {
        assert!(self.settled.insert(ticket), "a call runs twice, or after its end");
        let call = self.waiting[&ticket];
        assert!(call.slot.is_none_or(|slot| slot == id.slot), "{call:?} runs at {id:?}");
        let theirs = |(_, call): &(_, &Call)| call.slot.is_none_or(|slot| slot == id.slot);
        let mut eligible: Vec<_> = self.waiting.iter().filter(theirs).collect();
        if eligible.iter().any(|(ticket, _)| self.inside.contains(ticket)) {
            eligible.retain(|(ticket, _)| self.inside.contains(ticket));
        }
        let oldest = *eligible[0].0;
        let best = eligible.into_iter().max_by_key(|(ticket, call)| (call.priority, Reverse(**ticket)));
        let best = *best.expect("the call itself waits").0;
        let overtaken = self.overtaken.entry(id.slot).or_default();
        assert!(*overtaken <= PATIENCE, "the oldest call starves");
        assert_eq!(ticket, if *overtaken == PATIENCE { oldest } else { best }, "it is another call's turn");
        *overtaken = if ticket == oldest { 0 } else { *overtaken + 1 };
        self.gone(ticket);
        self.run(id);
    }

    pub(super) fn run(&mut self, id: MemberId) {
        assert_eq!(self.active[id.slot], Some(id), "a call goes to a worker that takes none");
        assert!(!self.lost.contains(&id), "a call goes to a worker that is lost");
        self.running.push(id);
        let at_once = self.running.iter().filter(|running| **running == id).count();
        assert!(at_once <= self.rules.max_in_flight as usize, "{at_once} calls at once at {id:?}");
    }

    pub(super) fn start(&mut self, id: MemberId, now: Instant, is_broken: bool) {
        let (most, period) = self.rules.spawn_rate;
        self.starts.retain(|start| now.duration_since(*start) < period);
        self.starts.push_back(now);
        assert!(self.starts.len() <= most as usize, "{} starts within {period:?}", self.starts.len());
        assert!(self.starting.iter().all(|other| other.slot != id.slot), "two starts in a slot");
        self.starting.push(id);
        if self.active[id.slot].is_some() {
            let replaced = self.starting.iter().filter(|id| self.active[id.slot].is_some()).count();
            assert_eq!(replaced, 1, "two workers are replaced at once");
        } else if is_broken {
            let first = self.starting.iter().filter(|id| self.active[id.slot].is_none()).count();
            assert_eq!(first, 1, "several workers are started while they keep crashing");
        }
    }

    pub(super) fn retire(&mut self, id: MemberId) {
        assert!(!self.running.contains(&id), "a worker is retired with a call in flight");
        assert!(self.leaving.insert(id), "a worker is retired twice");
        if self.active[id.slot] == Some(id) {
            // An idle one: the replaced ones are not active any more.
            self.active[id.slot] = None;
            let left = self.active.iter().flatten().count();
            assert!(left >= self.rules.min, "{left} workers are left of at least {}", self.rules.min);
        } else {
            assert!(self.retiring.remove(&id), "{id:?} is not there to be retired");
        }
    }

    pub(super) fn came_up(&mut self) {
        self.failed_starts = 0;
        self.is_broken = false;
    }

    pub(super) fn start_failed(&mut self, now: Instant) {
        self.failed_starts += 1;
        if self.rules.restart != Restart::Temporary {
            self.missed(now);
        }
    }

    /// A worker is missing that another one is to follow.
    pub(super) fn missed(&mut self, now: Instant) {
        let (most, period) = self.rules.restart_limit;
        self.missing.push_back(now);
        self.missing.retain(|then| now.duration_since(*then) < period);
        self.is_broken |= self.missing.len() > most as usize || self.failed_starts > most;
    }

    /// Past the limit, no call waits for a worker that may never come up.
    pub(super) fn check_broken(&self, is_broken: bool) {
        assert_eq!(is_broken, self.is_broken, "{} workers are missing", self.missing.len());
        let none = self.active.iter().all(Option::is_none);
        let hopeless = |call: &Call| call.slot.map_or(none, |slot| self.active[slot].is_none());
        assert!(
            !is_broken || !self.waiting.values().any(hopeless),
            "a call waits for workers that keep crashing"
        );
    }

    /// A worker with room takes whatever it may.
    pub(super) fn check_nothing_waits_in_vain(&self) {
        for id in self.active.iter().flatten().filter(|id| !self.lost.contains(id)) {
            let at_once = self.running.iter().filter(|running| *running == id).count();
            let eligible = |call: &Call| call.slot.is_none_or(|slot| slot == id.slot);
            let idle_in_vain =
                at_once < self.rules.max_in_flight as usize && self.waiting.values().any(eligible);
            assert!(!idle_in_vain, "{id:?} has room and a call for it waits");
        }
    }
}
