//! Model of a pool: tracks what the scheduler does, and asserts that it may do so.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::super::queue::MAX_OVERTAKES;
use super::super::{InstanceId, Refusal, Target, Ticket};
use crate::pool::config::{PoolConfig, Restart, WhenFull};

/// State of the pool, kept as simply as possible.
pub(super) struct Model {
    config: PoolConfig,
    pub(super) waiting: BTreeMap<Ticket, ModelCall>,
    /// Calls that count toward the queue's limit.
    inside: HashSet<Ticket>,
    /// Calls in `inside` that were made again. They count toward the limit and may exceed it.
    again: HashSet<Ticket>,
    pub(super) running: Vec<RunningCall>,
    /// Workers of the sessions that have not ended. The workers may be gone.
    pub(super) sessions: Vec<InstanceId>,
    /// Workers whose session has ended before all of its calls.
    leftover: HashSet<InstanceId>,
    /// Workers whose session has left its state.
    pub(super) discarded: HashSet<InstanceId>,
    /// For each slot whose worker is reserved, the checkout for which it is.
    reserved: BTreeMap<usize, Ticket>,
    /// Calls that were given up and still run: their workers, and the time of each.
    pub(super) given_up: Vec<(InstanceId, Instant)>,
    /// For each worker, the number of calls that it started.
    started: HashMap<InstanceId, u64>,
    /// Workers that are starting, each with its slot, unless it is a spare.
    pub(super) starting: Vec<(InstanceId, Option<usize>)>,
    /// Spares that have come up, and take no calls.
    pub(super) spares: HashSet<InstanceId>,
    /// Slots of the workers that take calls, or took them.
    slots: HashMap<InstanceId, usize>,
    /// For each slot, the worker that takes calls.
    pub(super) active: Vec<Option<InstanceId>>,
    pub(super) retiring: HashSet<InstanceId>,
    /// Workers that have ended and whose end is not reported yet. They get no calls.
    pub(super) lost: HashSet<InstanceId>,
    /// Workers that were asked to close.
    pub(super) closing: HashSet<InstanceId>,
    /// Workers that are hung, and the time since which they are.
    hung: HashMap<InstanceId, Instant>,
    killed: HashSet<InstanceId>,
    starts: VecDeque<Instant>,
    /// Times at which workers were lost, if they are to be replaced.
    losses: VecDeque<Instant>,
    failed_starts: u32,
    is_broken: bool,
    /// For each slot, the number of calls in a row that it took before the oldest call.
    overtakes: HashMap<usize, u32>,
    /// Calls that were assigned or refused.
    settled: HashSet<Ticket>,
    /// `true` if the owner of the workers is gone.
    is_abandoned: bool,
}

/// Call that holds a permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningCall {
    pub(super) id: InstanceId,
    pub(super) target: Target,
    pub(super) priority: i32,
    /// Ticket of a call that has waited.
    pub(super) ticket: Option<Ticket>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ModelCall {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// Slot for which the call waits, as the scheduler reports it. The world checks that a key
    /// keeps its slot.
    pub(super) slot: Option<usize>,
    pub(super) is_checkout: bool,
}

impl Model {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self {
            active: vec![None; config.max],
            config,
            waiting: BTreeMap::new(),
            inside: HashSet::new(),
            again: HashSet::new(),
            running: Vec::new(),
            sessions: Vec::new(),
            leftover: HashSet::new(),
            discarded: HashSet::new(),
            reserved: BTreeMap::new(),
            given_up: Vec::new(),
            started: HashMap::new(),
            starting: Vec::new(),
            spares: HashSet::new(),
            slots: HashMap::new(),
            retiring: HashSet::new(),
            lost: HashSet::new(),
            closing: HashSet::new(),
            hung: HashMap::new(),
            killed: HashSet::new(),
            losses: VecDeque::new(),
            failed_starts: 0,
            is_broken: false,
            starts: VecDeque::new(),
            overtakes: HashMap::new(),
            settled: HashSet::new(),
            is_abandoned: false,
        }
    }

    /// Slot of a worker that takes calls, or took them.
    pub(super) fn slot(&self, id: InstanceId) -> usize {
        self.slots[&id]
    }

    /// Slot in which the worker takes calls. `None` if it takes none.
    pub(super) fn active_slot(&self, id: InstanceId) -> Option<usize> {
        self.slots.get(&id).copied().filter(|slot| self.active[*slot] == Some(id))
    }

    pub(super) fn queued(&mut self, ticket: Ticket, call: ModelCall) {
        let has_room = self.inside.len() < self.config.queue;
        assert!(self.waiting.insert(ticket, call).is_none(), "a ticket is used twice");
        if has_room || self.config.when_full == WhenFull::DropOldest {
            self.inside.insert(ticket);
        } else {
            assert_eq!(self.config.when_full, WhenFull::Wait, "a full queue accepted a call");
        }
    }

    /// Queues a call that is made again: past the limit, and before all others if it has not
    /// waited.
    pub(super) fn queued_again(&mut self, earlier: Option<Ticket>, ticket: Ticket, call: ModelCall) {
        if let Some(earlier) = earlier {
            assert_eq!(ticket, earlier, "a call that has waited keeps its place");
        } else {
            assert!(self.waiting.keys().all(|other| ticket < *other), "it is older than all others");
        }
        self.settled.remove(&ticket);
        assert!(self.waiting.insert(ticket, call).is_none(), "a ticket is used twice");
        self.inside.insert(ticket);
        self.again.insert(ticket);
    }

    /// Checks the queue's limit, after all actions of a step.
    pub(super) fn check_queue_limit(&self, inside: usize, waiting: usize) {
        let new = inside - self.again.len();
        assert!(new <= self.config.queue, "{new} new calls in a queue of {}", self.config.queue);
        assert_eq!((inside, waiting), (self.inside.len(), self.waiting.len()));
    }

    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket).expect("the call waits");
        self.inside.remove(&ticket);
        self.again.remove(&ticket);
        self.reserved.retain(|_, reserved| *reserved != ticket);
        if self.inside.len() < self.config.queue {
            let next = self.waiting.keys().find(|ticket| !self.inside.contains(ticket));
            self.inside.extend(next.copied());
        }
    }

    pub(super) fn failed(&mut self, ticket: Ticket, why: Refusal) {
        assert!(self.settled.insert(ticket), "a call is refused after it was assigned or refused");
        if why == Refusal::Dropped {
            assert_eq!(self.config.when_full, WhenFull::DropOldest);
            assert!(!self.again.contains(&ticket), "a call that was admitted before is dropped");
        }
        self.remove(ticket);
    }

    /// Checks that this call is the next one for this worker. Returns `true` if it is a checkout.
    pub(super) fn assigned(&mut self, ticket: Ticket, id: InstanceId) -> bool {
        assert!(self.settled.insert(ticket), "a call is assigned after it was assigned or refused");
        let call = self.waiting[&ticket];
        let at = self.slot(id);
        assert!(call.slot.is_none_or(|slot| slot == at), "{call:?} runs in {id:?}");
        let (next, oldest) = self.next(at, id);
        assert_eq!(ticket, next, "another call is next");
        let is_reserved = self.reserved.get(&at) == Some(&ticket);
        let overtakes = self.overtakes.entry(at).or_default();
        // A call that is made again may become the oldest after the worker was reserved.
        let is_late = is_reserved && *overtakes == MAX_OVERTAKES;
        *overtakes = if Some(ticket) == oldest { 0 } else { *overtakes + u32::from(!is_late) };
        assert!(*overtakes <= MAX_OVERTAKES, "the oldest call starves");
        self.remove(ticket);
        if call.is_checkout {
            self.check_out(id);
        } else {
            let ticket = Some(ticket);
            self.run(RunningCall { id, target: call.target, priority: call.priority, ticket });
        }
        call.is_checkout
    }

    /// Returns the next call for this worker, and the oldest one.
    fn next(&self, at: usize, id: InstanceId) -> (Ticket, Option<Ticket>) {
        let is_idle = self.is_idle(id);
        let is_elsewhere =
            |ticket: &Ticket| self.reserved.iter().any(|(slot, reserved)| *slot != at && reserved == ticket);
        let is_eligible = |(ticket, call): &(&Ticket, &ModelCall)| {
            call.slot.is_none_or(|slot| slot == at) && (is_idle || !is_elsewhere(ticket))
        };
        let mut eligible: Vec<_> = self.waiting.iter().filter(is_eligible).collect();
        if eligible.iter().any(|(ticket, _)| self.inside.contains(ticket)) {
            eligible.retain(|(ticket, _)| self.inside.contains(ticket));
        }
        let oldest = *eligible[0].0;
        if let Some(reserved) = self.reserved.get(&at) {
            return (*reserved, Some(oldest));
        }
        let best = eligible.into_iter().max_by_key(|(ticket, call)| (call.priority, Reverse(**ticket)));
        let best = *best.expect("the call itself waits").0;
        let is_due = self.overtakes.get(&at).is_some_and(|overtakes| *overtakes >= MAX_OVERTAKES);
        (if is_due { oldest } else { best }, Some(oldest))
    }

    /// Records that the worker of a slot is reserved for a checkout, or not anymore. Returns `true`
    /// if it was reserved in vain.
    pub(super) fn reserve(&mut self, slot: usize, ticket: Option<Ticket>) -> bool {
        let Some(ticket) = ticket else { return self.reserved.remove(&slot).is_some() };
        let id = self.active[slot].expect("the slot has a worker");
        assert!(self.waiting[&ticket].is_checkout, "a worker is reserved for a call");
        assert!(!self.is_idle(id), "an idle worker is reserved");
        assert!(!self.is_checked_out(id), "a worker is reserved while it is checked out");
        assert_eq!(self.next(slot, id).0, ticket, "a worker is reserved before the turn of the checkout");
        assert!(self.reserved.values().all(|reserved| *reserved != ticket), "two workers are reserved");
        assert!(self.reserved.insert(slot, ticket).is_none(), "a worker is reserved twice");
        false
    }

    /// Records that a session has this worker.
    pub(super) fn check_out(&mut self, id: InstanceId) {
        assert!(self.active_slot(id).is_some(), "a worker that is not active is checked out");
        assert!(!self.lost.contains(&id), "a worker that is lost is checked out");
        assert!(self.is_idle(id), "a worker that has calls is checked out");
        self.sessions.push(id);
        *self.started.entry(id).or_default() += 1;
    }

    /// Records the end of a session.
    pub(super) fn end_session(&mut self, id: InstanceId, is_unused: bool) {
        self.sessions.retain(|session| *session != id);
        self.leftover.insert(id);
        *self.started.get_mut(&id).expect("the session has started") -= u64::from(is_unused);
    }

    /// Returns `true` if a session, or what is left of one, has the worker.
    fn is_checked_out(&self, id: InstanceId) -> bool {
        let is_left = || self.given_up.iter().any(|(given_up, _)| *given_up == id);
        self.sessions.contains(&id) || (self.leftover.contains(&id) && is_left())
    }

    fn is_idle(&self, id: InstanceId) -> bool {
        self.in_worker(id) == 0 && !self.is_checked_out(id) && !self.is_exhausted(id)
    }

    pub(super) fn run(&mut self, call: RunningCall) {
        let id = call.id;
        assert!(self.active_slot(id).is_some(), "a call goes to a worker that is not active");
        assert!(!self.lost.contains(&id), "a call goes to a worker that is lost");
        assert!(!self.is_checked_out(id), "a call goes to a worker that is checked out");
        self.leftover.remove(&id);
        self.running.push(call);
        *self.started.entry(id).or_default() += 1;
        let (started, max) = (self.started[&id], self.config.recycle.max_calls);
        assert!(max == 0 || started <= max, "{id:?} starts {started} calls");
        let in_flight = self.in_worker(id);
        assert!(in_flight <= self.config.max_in_flight as usize, "{in_flight} calls in flight in {id:?}");
    }

    /// Returns `true` if a worker may start no more calls.
    pub(super) fn is_exhausted(&self, id: InstanceId) -> bool {
        let max = self.config.recycle.max_calls;
        max > 0 && self.started.get(&id).is_some_and(|started| *started >= max)
    }

    /// Number of calls that run in a worker, including those that were given up.
    fn in_worker(&self, id: InstanceId) -> usize {
        let running = self.running.iter().map(|call| call.id).chain(self.given_up.iter().map(|(id, _)| *id));
        running.filter(|running| *running == id).count()
    }

    /// Records the start of a worker, for a slot or as a spare. Workers with lower numbers than
    /// `reload_from` run an outdated program.
    pub(super) fn start(
        &mut self,
        id: InstanceId,
        slot: Option<usize>,
        now: Instant,
        (is_broken, reload_from): (bool, u64),
    ) {
        assert!(!self.is_abandoned, "a worker is started without an owner");
        let (max, period) = self.config.spawn_rate;
        self.starts.retain(|start| now.duration_since(*start) < period);
        self.starts.push_back(now);
        assert!(self.starts.len() <= max as usize, "{} starts within {period:?}", self.starts.len());
        let in_slots = self.starting.iter().filter_map(|(_, slot)| *slot);
        let spares = self.starting.iter().filter(|(id, slot)| slot.is_none() && id.0 >= reload_from).count();
        match slot {
            None => {
                assert_eq!(in_slots.count(), 0, "a spare is started before the worker of a slot");
                let all = self.starting.len() + self.spares.len() + 1;
                assert!(all <= self.config.spares, "{all} spares");
                assert!(!is_broken || spares == 0, "a broken pool starts several spares at once");
            }
            Some(slot) => {
                assert!(self.spares.is_empty() && spares == 0, "a worker is started beside a spare");
                assert!(in_slots.clone().all(|other| other != slot), "two starts in a slot");
                let is_like = |other: &usize| self.active[*other].is_some() == self.active[slot].is_some();
                let is_first = in_slots.filter(is_like).count() == 0;
                assert!(is_first || self.active[slot].is_none(), "two workers are replaced at once");
                assert!(is_first || !is_broken, "a broken pool starts several workers at once");
            }
        }
        self.starting.push((id, slot));
    }

    /// Records that a worker takes calls in a slot. Returns `true` if it was a spare.
    pub(super) fn activate(&mut self, id: InstanceId, slot: usize) -> bool {
        assert!(!self.is_abandoned, "a worker takes calls without an owner");
        self.slots.insert(id, slot);
        self.retiring.extend(self.active[slot].replace(id));
        self.spares.remove(&id)
    }

    pub(super) fn retire(&mut self, id: InstanceId) {
        assert!(!self.is_abandoned, "a worker is retired without an owner");
        assert!(self.running.iter().all(|call| call.id != id), "a worker is retired with a call in flight");
        assert!(!self.sessions.contains(&id), "a worker is retired with a session");
        assert!(self.closing.insert(id), "a worker is retired twice");
        if self.spares.remove(&id) {
            return;
        }
        if let Some(slot) = self.active_slot(id) {
            // The worker was idle. A replaced worker is not active any more.
            self.active[slot] = None;
            let left = self.active.iter().flatten().count();
            assert!(left >= self.config.min, "{left} workers are left of at least {}", self.config.min);
        } else {
            assert!(self.retiring.remove(&id), "{id:?} was not retiring");
        }
    }

    /// Records that a worker takes no more calls because it is hung. Returns `true` if that is new.
    pub(super) fn hang(&mut self, id: InstanceId, now: Instant) -> bool {
        if self.hung.contains_key(&id) {
            return false;
        }
        let timeout = self.config.cancel_timeout;
        let is_late = |given_up: &(InstanceId, Instant)| given_up.0 == id && given_up.1 + timeout <= now;
        assert!(!timeout.is_zero() && self.given_up.iter().any(is_late), "{id:?} is taken for hung");
        self.hung.insert(id, now);
        if let Some(slot) = self.active_slot(id) {
            self.active[slot] = None;
            self.retiring.insert(id);
        }
        true
    }

    /// Returns `true` if calls are in flight in the worker, which then has exceeded its time.
    pub(super) fn kill(&mut self, id: InstanceId, now: Instant) -> bool {
        assert!(!self.is_abandoned, "a worker is killed without an owner");
        assert!(self.killed.insert(id), "a worker is killed twice");
        assert!(self.retiring.remove(&id) || self.closing.contains(&id), "{id:?} takes calls");
        let is_busy = self.running.iter().any(|call| call.id == id) || self.sessions.contains(&id);
        let timeout = self.config.hung_timeout;
        let has_had_time = !timeout.is_zero() && self.hung[&id] + timeout <= now;
        assert!(!is_busy || has_had_time, "{id:?} is killed with a call in flight");
        is_busy
    }

    /// Records that a worker is killed because its session was not given back.
    pub(super) fn discard(&mut self, id: InstanceId) {
        assert!(!self.is_abandoned, "a worker is killed without an owner");
        assert!(self.discarded.remove(&id), "{id:?} is killed although its session was given back");
        if let Some(slot) = self.active_slot(id) {
            self.active[slot] = None;
        } else {
            self.retiring.remove(&id);
        }
        self.closing.insert(id);
        self.killed.insert(id);
    }

    /// Forgets all workers.
    pub(super) fn abandon(&mut self) {
        self.starting.clear();
        self.spares.clear();
        self.active.fill(None);
        self.retiring.clear();
        self.is_abandoned = true;
    }

    pub(super) fn came_up(&mut self) {
        self.failed_starts = 0;
        self.is_broken = false;
    }

    pub(super) fn start_failed(&mut self, now: Instant, is_spare: bool) {
        self.failed_starts += 1;
        if is_spare || self.config.restart != Restart::Temporary {
            self.lost_one(now);
        }
    }

    /// Handles the loss of a worker that is to be replaced.
    pub(super) fn lost_one(&mut self, now: Instant) {
        let (max, period) = self.config.restart_limit;
        self.losses.push_back(now);
        self.losses.retain(|then| now.duration_since(*then) < period);
        self.is_broken |= self.losses.len() > max as usize || self.failed_starts > max;
    }

    /// Checks that in a broken pool no call waits for a worker that may never come up.
    pub(super) fn check_broken(&self, is_broken: bool) {
        assert_eq!(is_broken, self.is_broken, "{} workers were lost", self.losses.len());
        let none = self.active.iter().all(Option::is_none);
        let is_hopeless = |call: &ModelCall| call.slot.map_or(none, |slot| self.active[slot].is_none());
        assert!(
            !is_broken || !self.waiting.values().any(is_hopeless),
            "a call waits for workers that keep crashing"
        );
    }

    /// Checks that no spare waits while a slot needs a worker.
    pub(super) fn check_no_spare_is_unused(&self, is_open: bool, is_gone: impl Fn(usize) -> bool) {
        if self.spares.is_empty() {
            return;
        }
        let is_starting = |slot: usize| self.starting.iter().any(|(_, other)| *other == Some(slot));
        let is_vacant = |slot: usize| self.active[slot].is_none() && !is_starting(slot) && !is_gone(slot);
        let vacant: Vec<_> = (0..self.config.max).filter(|slot| is_vacant(*slot)).collect();
        let is_needed = |call: &ModelCall| call.slot.is_some_and(|slot| vacant.contains(&slot));
        assert!(!self.waiting.values().any(is_needed), "a call waits for a slot, and a spare waits, too");
        let live = (0..self.config.max).filter(|slot| self.active[*slot].is_some() || is_starting(*slot));
        let is_small = is_open && !vacant.is_empty() && live.count() < self.config.min;
        assert!(!is_small, "the pool is below its minimum, and a spare waits");
    }

    /// Checks that no worker has a free permit while a call for it waits.
    pub(super) fn check_no_permit_is_unused(&self) {
        for id in self.active.iter().flatten().filter(|id| !self.lost.contains(id)) {
            let at = self.slot(*id);
            let has_permit = self.in_worker(*id) < self.config.max_in_flight as usize
                && !self.is_exhausted(*id)
                && !self.is_checked_out(*id);
            let is_idle = self.is_idle(*id);
            assert!(!is_idle || !self.reserved.contains_key(&at), "an idle worker is reserved");
            let may_run = |call: &ModelCall| {
                if call.is_checkout { is_idle } else { !self.reserved.contains_key(&at) }
            };
            let is_eligible = |call: &ModelCall| call.slot.is_none_or(|slot| slot == at) && may_run(call);
            let is_unused = has_permit && self.waiting.values().any(is_eligible);
            assert!(!is_unused, "{id:?} has a free permit, and a call for it waits");
        }
    }
}
