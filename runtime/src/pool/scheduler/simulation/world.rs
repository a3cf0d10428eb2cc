//! World of the simulation: the pool's workers and callers, driven by random events.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use isolated_workers_core::testing::Rng;

use super::super::{
    Action, EndCause, InstanceId, Phase, Refusal, Scheduler, Submitted, Target, Ticket, WorkerPermits,
};
use super::event_counts::EventCounts;
use super::fake_worker::FakeWorker;
use super::model::{Model, ModelCall, RunningCall};
use crate::OnCrash;
use crate::pool::config::{PoolConfig, RecycleLimits, Restart, WhenFull};

/// A pool with fake workers and callers.
pub(super) struct World {
    rng: Rng,
    now: Instant,
    config: PoolConfig,
    scheduler: Scheduler<FakeWorker>,
    /// All workers that have come up.
    workers: HashMap<InstanceId, FakeWorker>,
    /// Slots of released permits that are not reported yet.
    released: Vec<usize>,
    model: Model,
    counts: EventCounts,
    /// For each key, the slot of its calls.
    homes: HashMap<u64, usize>,
    wake: Option<Instant>,
    reload: Option<u64>,
    /// `true` if most starts fail.
    starts_fail: bool,
    /// `true` if the pool was closed, and does not drain.
    is_closed: bool,
    /// Time at which a pool that drains ends its sessions.
    sessions_until: Option<Instant>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = random_config(&mut rng);
        let scheduler = Scheduler::new(config.clone(), rng.number());
        let starts_fail = rng.chance(25);
        Self {
            rng,
            now: Instant::now(),
            scheduler,
            workers: HashMap::new(),
            released: Vec::new(),
            model: Model::new(config.clone()),
            config,
            counts: EventCounts::default(),
            homes: HashMap::new(),
            wake: None,
            reload: None,
            starts_fail,
            is_closed: false,
            sessions_until: None,
        }
    }

    pub(super) fn run(mut self) -> EventCounts {
        self.settle();
        for _ in 0..20 + self.rng.below(210) {
            if self.rng.below(500) == 0 {
                return self.abandon();
            }
            self.step();
            self.settle();
        }
        self.heal();
        for _ in 0..self.rng.below(9) {
            if self.rng.chance(50) {
                self.submit()
            } else {
                self.check_out()
            }
            self.settle();
        }
        if self.rng.chance(50) {
            self.scheduler.drain(self.now);
            let time = self.config.hung_timeout;
            self.sessions_until = (!time.is_zero()).then(|| self.now + time);
        } else {
            self.is_closed = true;
            self.scheduler.close();
        }
        for refused in [self.scheduler.submit(Target::Any, 0), self.scheduler.check_out(Target::Any, 0)] {
            assert!(matches!(refused, Err(Refusal::Closed)), "{refused:?}");
        }
        self.counts.closed += 1;
        self.heal();
        assert!(self.scheduler.is_idle(), "the pool does not drain");
        self.counts
    }

    /// Takes the owner of the workers away. Every call that waits must be refused, and no worker is
    /// started or retired.
    fn abandon(mut self) -> EventCounts {
        self.counts.abandoned += 1;
        self.scheduler.abandon();
        self.model.abandon();
        self.settle();
        assert!(self.model.waiting.is_empty(), "a call waits for a worker that nobody starts");
        // The calls in flight end later. Their permits are reported, because the pool is contended.
        while !self.model.running.is_empty() {
            assert!(self.scheduler.is_contended());
            self.end_call();
            self.settle();
        }
        self.report_released();
        self.settle();
        while !self.model.sessions.is_empty() {
            self.end_session();
            self.settle();
        }
        let late = self.scheduler.submit(Target::Any, 0);
        assert!(matches!(late, Err(Refusal::Closed)), "{late:?}");
        assert!(self.scheduler.is_idle() && self.scheduler.live().next().is_none());
        self.counts
    }

    fn step(&mut self) {
        match self.rng.below(115) {
            100..103 => self.check_out(),
            103..112 => self.end_session(),
            112..115 => self.give_up_in_session(),
            0..10 => self.call_on_fast_path(),
            10..37 => self.submit(),
            37..40 => self.resubmit(),
            40..45 => self.cancel(),
            45..60 => self.end_call(),
            60..64 => self.give_up_call(),
            64..65 => self.end_given_up(),
            65..67 => self.report_released(),
            67..76 => self.finish_start(),
            76..79 => self.end_worker(),
            79..81 => self.leave(),
            81..82 => {
                if let Some(id) = self.random_active() {
                    self.counts.lost += 1;
                    self.model.lost.insert(id);
                    self.workers[&id].close();
                }
            }
            82..85 => {
                let bytes = self.rng.below(200);
                if let Some(id) = self.random_active() {
                    self.scheduler.memory_measured(id, bytes);
                }
            }
            85..86 => self.reload = Some(self.scheduler.reload()),
            86..95 => self.now += Duration::from_millis(self.rng.below(400)),
            _ => self.now = self.wake.map_or(self.now, |wake| wake.max(self.now)),
        }
    }

    /// Makes a call that finds a permit without the scheduler.
    fn call_on_fast_path(&mut self) {
        if self.scheduler.is_contended() {
            return;
        }
        let workers = self.model.active.iter().flatten().map(|id| &self.workers[id]);
        let most_free = workers.max_by_key(|worker| worker.available());
        if let Some(worker) = most_free.filter(|worker| worker.try_acquire()) {
            self.counts.fast_path += 1;
            let (id, target, priority) = (worker.id, Target::Any, 0);
            self.model.run(RunningCall { id, target, priority, ticket: None });
        }
    }

    fn check_out(&mut self) {
        let (target, priority) = self.random_target();
        if self.rng.chance(10) {
            let submitted = self.scheduler.check_out_without_waiting(target);
            self.submitted_without_waiting(target, true, submitted, false);
            return;
        }
        let submitted = self.scheduler.check_out(target, priority);
        let refused = self.submitted(target, priority, true, submitted, None);
        self.refused_new(refused);
    }

    /// Ends a random session: its worker is given back, or killed.
    fn end_session(&mut self) {
        let Some(id) = self.rng.pick(&self.model.sessions) else { return };
        let worker = self.workers[&id].clone();
        let is_used = self.model.given_up.iter().any(|(given_up, _)| *given_up == id) || self.rng.chance(80);
        if is_used && self.rng.chance(40) {
            self.counts.session_dropped += 1;
            self.model.end_session(id, false);
            self.model.discarded.insert(id);
            return self.scheduler.discard(id, &worker);
        }
        *(if is_used { &mut self.counts.given_back } else { &mut self.counts.unused }) += 1;
        self.model.end_session(id, !is_used);
        self.scheduler.give_back(id, &worker, !is_used);
    }

    /// Gives up a call of a random session.
    fn give_up_in_session(&mut self) {
        let is_up = |id: &InstanceId| self.scheduler.slot_of(*id).is_some() && !self.model.lost.contains(id);
        let sessions: Vec<_> = self.model.sessions.iter().copied().filter(is_up).collect();
        if let Some(id) = self.rng.pick(&sessions) {
            self.counts.given_up_in_session += 1;
            self.model.given_up.push((id, self.now));
            self.workers[&id].give_up_in_session(self.now);
            self.scheduler.permit_released(self.model.slot(id));
        }
    }

    fn random_target(&mut self) -> (Target, i32) {
        let slots = self.config.max as u64;
        let target = match self.rng.below(10) {
            0..5 => Target::Any,
            5..8 => Target::Key(self.rng.below(8)),
            _ => Target::Slot(self.rng.below(slots + 1) as usize),
        };
        (target, if self.rng.chance(50) { 0 } else { self.rng.below(5) as i32 - 2 })
    }

    fn submit(&mut self) {
        let (target, priority) = self.random_target();
        if self.rng.chance(10) {
            let submitted = self.scheduler.submit_without_waiting(target, false);
            self.submitted_without_waiting(target, false, submitted, false);
            return;
        }
        let submitted = self.scheduler.submit(target, priority);
        let refused = self.submitted(target, priority, false, submitted, None);
        self.refused_new(refused);
    }

    /// Follows the refusal of a call that was not made before.
    fn refused_new(&mut self, refused: Option<Refusal>) {
        match refused {
            Some(Refusal::Full) => {
                assert_ne!(self.config.when_full, WhenFull::Wait);
                self.counts.full += 1;
            }
            Some(refusal) => self.refused(refusal),
            None => {}
        }
    }

    /// Submits a call again whose worker ended before its request was sent. It holds its permit
    /// until then.
    fn resubmit(&mut self) {
        let is_gone = |call: &RunningCall| {
            self.model.lost.contains(&call.id)
                || (self.model.active_slot(call.id).is_none() && !self.model.retiring.contains(&call.id))
        };
        let gone: Vec<_> =
            (0..self.model.running.len()).filter(|at| is_gone(&self.model.running[*at])).collect();
        let Some(at) = self.rng.pick(&gone) else { return };
        let RunningCall { id, target, priority, ticket } = self.model.running.swap_remove(at);
        self.workers[&id].release();
        if self.scheduler.is_contended() {
            self.scheduler.permit_released(self.model.slot(id));
        }
        self.counts.resubmitted += 1;
        if self.rng.chance(10) {
            let submitted = self.scheduler.submit_without_waiting(target, true);
            self.submitted_without_waiting(target, false, submitted, true);
            return;
        }
        let submitted = self.scheduler.resubmit(target, priority, ticket);
        if let Some(refusal) = self.submitted(target, priority, false, submitted, Some(ticket)) {
            assert_ne!(refusal, Refusal::Full, "a call that was admitted before is refused");
            if refusal == Refusal::Closed {
                assert!(self.is_closed, "a pool that drains takes the calls that it has admitted");
            } else {
                self.refused(refusal);
            }
        }
    }

    /// Follows a call that must not wait: it runs, or takes no place in the queue.
    fn submitted_without_waiting(
        &mut self,
        target: Target,
        is_checkout: bool,
        submitted: Result<Submitted<FakeWorker>, Refusal>,
        is_again: bool,
    ) {
        assert!(!matches!(submitted, Ok(Submitted::Queued(_))), "{submitted:?}");
        match self.submitted(target, 0, is_checkout, submitted, is_again.then_some(None)) {
            Some(Refusal::WouldWait) => self.counts.would_wait += 1,
            Some(Refusal::Closed) => assert!(self.is_closed || !is_again),
            Some(refusal) => self.refused(refusal),
            None => {}
        }
    }

    /// Follows a call that was submitted, or again with `again`: its ticket, if it has waited.
    /// Returns the refusal, if any.
    fn submitted(
        &mut self,
        target: Target,
        priority: i32,
        is_checkout: bool,
        submitted: Result<Submitted<FakeWorker>, Refusal>,
        again: Option<Option<Ticket>>,
    ) -> Option<Refusal> {
        // Calls that waited got their permits before this one.
        let (run, other) =
            std::iter::from_fn(|| self.scheduler.next_action()).partition::<Vec<_>, _>(|action| {
                matches!(action, Action::Run(..) | Action::CheckOut(..) | Action::Reserve(..))
            });
        run.into_iter().for_each(|action| self.carry_out(action));
        match submitted {
            Ok(Submitted::Run(ref worker)) => {
                let id = worker.id;
                self.check_home(target, Some(self.model.slot(id)));
                if is_checkout {
                    self.counts.checked_out_at_once += 1;
                    self.model.check_out(id);
                } else {
                    self.counts.at_once += 1;
                    self.model.run(RunningCall { id, target, priority, ticket: None });
                }
            }
            Ok(Submitted::Queued(ticket)) => {
                let (_, call) =
                    self.scheduler.queue.iter().find(|(there, _)| *there == ticket).expect("the call waits");
                let call = ModelCall { target, priority, slot: call.slot, is_checkout };
                self.check_home(target, call.slot);
                self.counts.queued += 1;
                match again {
                    Some(earlier) => {
                        self.counts.queued_again += 1;
                        self.model.queued_again(earlier, ticket, call);
                    }
                    None => self.model.queued(ticket, call),
                }
            }
            Err(_) => {}
        }
        other.into_iter().for_each(|action| self.carry_out(action));
        submitted.err()
    }

    fn refused(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Broken => {
                assert!(self.scheduler.is_broken());
                self.counts.broken += 1;
            }
            Refusal::Gone => self.counts.gone += 1,
            Refusal::NoneLeft => {
                assert_ne!(self.config.restart, Restart::Permanent);
                self.counts.none_left += 1;
            }
            refusal => panic!("{refusal:?}"),
        }
    }

    /// Checks that a key keeps its slot until the slot is gone.
    fn check_home(&mut self, target: Target, slot: Option<usize>) {
        match (target, slot) {
            (Target::Key(key), Some(slot)) => {
                let home = self.homes.insert(key, slot).unwrap_or(slot);
                let has_moved = home != slot;
                assert!(!has_moved || self.scheduler.slots[home].is_gone, "the key {key} has moved");
            }
            (Target::Slot(wanted), slot) => assert_eq!(slot, Some(wanted)),
            (Target::Any, _) => {}
            (target, None) => panic!("{target:?} has no slot"),
        }
    }

    fn cancel(&mut self) {
        let waiting: Vec<Ticket> = self.model.waiting.keys().copied().collect();
        if let Some(ticket) = self.rng.pick(&waiting) {
            self.counts.cancelled += 1;
            self.scheduler.cancel(ticket);
            self.model.remove(ticket);
        }
    }

    fn end_call(&mut self) {
        if !self.model.running.is_empty() {
            let at = self.rng.below(self.model.running.len() as u64) as usize;
            let id = self.model.running.swap_remove(at).id;
            let is_due = self.workers[&id].end_call();
            if is_due || self.scheduler.is_contended() {
                self.released.push(self.model.slot(id));
                // Other calls may reach the scheduler before the report.
                if self.rng.chance(70) {
                    self.report_released();
                } else {
                    self.counts.reported_late += 1;
                }
            }
        }
    }

    /// Gives up a call. It keeps its permit until it ends.
    fn give_up_call(&mut self) {
        if !self.model.running.is_empty() {
            self.counts.given_up += 1;
            let at = self.rng.below(self.model.running.len() as u64) as usize;
            let id = self.model.running.swap_remove(at).id;
            self.model.given_up.push((id, self.now));
            self.workers[&id].give_up_call(self.now);
            self.scheduler.permit_released(self.model.slot(id));
        }
    }

    fn end_given_up(&mut self) {
        if !self.model.given_up.is_empty() {
            self.counts.given_up_ended += 1;
            let at = self.rng.below(self.model.given_up.len() as u64) as usize;
            let (id, since) = self.model.given_up.swap_remove(at);
            self.workers[&id].end_given_up(since);
            self.scheduler.permit_released(self.model.slot(id));
        }
    }

    fn report_released(&mut self) {
        self.released.drain(..).for_each(|slot| self.scheduler.permit_released(slot));
    }

    fn finish_start(&mut self) {
        let Some((id, slot)) = self.rng.pick(&self.model.starting) else { return };
        self.model.starting.retain(|(starting, _)| *starting != id);
        let is_spare = slot.is_none();
        if self.rng.chance(if self.starts_fail { 70 } else { 10 }) {
            self.counts.start_failed += 1;
            self.counts.spare_failed += u64::from(is_spare);
            self.model.start_failed(self.now, is_spare);
            return self.scheduler.start_failed(id, self.now);
        }
        self.counts.started += 1;
        self.model.came_up();
        if is_spare {
            self.counts.spare_started += 1;
            self.model.spares.insert(id);
        }
        let worker = FakeWorker::new(id);
        self.workers.insert(id, worker.clone());
        self.scheduler.started(id, worker, self.now);
    }

    /// Lets a random worker announce its end.
    fn leave(&mut self) {
        let spares: Vec<_> = self.sorted_spares();
        if let Some(id) = self.rng.pick(&spares) {
            self.counts.spare_left += 1;
            self.model.spares.remove(&id);
            self.model.retiring.insert(id);
            self.model.lost_one(self.now);
            return self.scheduler.leaving(id, self.now);
        }
        let Some(id) = self.random_active() else { return };
        self.counts.left += 1;
        let slot = self.model.slot(id);
        self.model.active[slot] = None;
        self.model.retiring.insert(id);
        if self.config.restart == Restart::Permanent {
            self.model.lost_one(self.now);
        }
        self.scheduler.leaving(id, self.now);
    }

    /// Spares that have come up, in an order that does not differ between processes.
    fn sorted_spares(&self) -> Vec<InstanceId> {
        let mut spares: Vec<_> = self.model.spares.iter().copied().collect();
        spares.sort();
        spares
    }

    fn random_active(&mut self) -> Option<InstanceId> {
        let active: Vec<_> = self.model.active.iter().flatten().copied().collect();
        self.rng.pick(&active)
    }

    /// Ends a random worker unexpectedly. Its calls end later.
    fn end_worker(&mut self) {
        let mut workers: Vec<_> = self.model.active.iter().flatten().copied().collect();
        workers.extend(self.model.retiring.iter().chain(&self.model.spares));
        workers.sort();
        if let Some(id) = self.rng.pick(&workers) {
            self.end_unexpectedly(id);
        }
    }

    fn end_unexpectedly(&mut self, id: InstanceId) {
        let cause = match self.rng.below(5) {
            0 => EndCause::Normal,
            1 => EndCause::Overran,
            2 => EndCause::Unresponsive,
            _ => EndCause::Crashed,
        };
        *match cause {
            EndCause::Normal => &mut self.counts.ended,
            EndCause::Overran => &mut self.counts.overran,
            EndCause::Crashed | EndCause::Unresponsive => &mut self.counts.crashed,
        } += 1;
        self.forget_given_up(id);
        self.model.retiring.remove(&id);
        if self.model.spares.remove(&id) {
            self.counts.spare_ended += 1;
            self.model.lost_one(self.now);
        } else if let Some(slot) = self.model.active_slot(id) {
            self.model.active[slot] = None;
            let is_replaced = match self.config.restart {
                Restart::Permanent => true,
                Restart::Transient => cause != EndCause::Normal,
                Restart::Temporary => false,
            };
            if is_replaced && cause != EndCause::Overran {
                self.model.lost_one(self.now);
            }
        }
        self.scheduler.ended(id, cause, self.now);
    }

    /// Follows exhausted workers, which retire without an action if calls are in flight in them.
    fn follow_exhausted(&mut self) {
        for slot in 0..self.config.max {
            let exhausted = self.model.active[slot].filter(|id| self.model.is_exhausted(*id));
            let active = self.scheduler.slots[slot].active.as_ref().map(|instance| instance.id);
            if let Some(id) = exhausted.filter(|id| active != Some(*id)) {
                self.counts.exhausted += 1;
                self.model.active[slot] = None;
                self.model.retiring.insert(id);
            }
        }
    }

    /// Follows hung workers, which leave their slots without an action if calls are in flight in
    /// them.
    fn follow_hung(&mut self) {
        let retiring = self.scheduler.slots.iter().flat_map(|slot| &slot.retiring);
        for worker in retiring.filter(|worker| worker.hang.is_hung()) {
            self.counts.hung += u64::from(self.model.hang(worker.id, self.now));
        }
    }

    /// Follows spares that are starting and that slots have taken, and workers that became spares.
    fn follow_spares(&mut self) {
        for (id, slot) in &mut self.model.starting {
            let now_in = self.scheduler.slot_of(*id);
            self.counts.spare_used_early += u64::from(slot.is_none() && now_in.is_some());
            self.counts.spare_exchanged += u64::from(slot.is_some() && now_in.is_none());
            *slot = now_in;
        }
    }

    fn forget_given_up(&mut self, id: InstanceId) {
        self.model.given_up.retain(|(given_up, _)| *given_up != id);
        self.workers[&id].forget_given_up();
    }

    /// Carries out the scheduler's actions and polls, as a pool does, and checks the result.
    fn settle(&mut self) {
        loop {
            while let Some(action) = self.scheduler.next_action() {
                self.carry_out(action);
            }
            if !self.scheduler.has_work() && self.wake.is_none_or(|wake| wake > self.now) {
                break;
            }
            self.wake = self.scheduler.poll(self.now);
            assert!(self.wake.is_none_or(|wake| wake > self.now), "the scheduler would be polled in a loop");
        }
        self.follow_moves();
        self.follow_exhausted();
        self.follow_hung();
        self.follow_spares();
        let is_open = self.scheduler.phase == Phase::Open;
        self.model.check_no_spare_is_unused(is_open, |slot| self.scheduler.slots[slot].is_gone);
        self.model.check_queue_limit(self.scheduler.queue.inside(), self.scheduler.queued());
        if self.released.is_empty() {
            self.model.check_no_permit_is_unused();
        }
        self.model.check_broken(self.scheduler.is_broken());
        if let Some(result) = self.reload.and_then(|from| self.scheduler.reload_result(from)) {
            self.reload = None;
            *(if result { &mut self.counts.reloaded } else { &mut self.counts.reload_failed }) += 1;
        }
    }

    /// Updates the slots of calls that moved. Only calls with a key move, if their slot is gone.
    fn follow_moves(&mut self) {
        for (ticket, call) in self.scheduler.queue.iter() {
            if let Some(known) = self.model.waiting.get_mut(&ticket) {
                assert!(known.slot == call.slot || matches!(known.target, Target::Key(_)));
                known.slot = call.slot;
            }
        }
    }

    fn carry_out(&mut self, action: Action<FakeWorker>) {
        self.follow_moves();
        match action {
            Action::Reserve(slot, ticket) => {
                self.counts.reserved += u64::from(ticket.is_some());
                self.counts.reserved_in_vain += u64::from(self.model.reserve(slot, ticket));
            }
            Action::Run(ticket, worker) | Action::CheckOut(ticket, worker) => {
                let (id, slot) = (worker.id, self.model.slot(worker.id));
                if let Some(call) = self.model.waiting.get_mut(&ticket)
                    && let Target::Key(_) = call.target
                {
                    call.slot = Some(slot);
                    self.check_home(self.model.waiting[&ticket].target, Some(slot));
                }
                self.counts.assigned += 1;
                self.counts.checked_out += u64::from(self.model.assigned(ticket, id));
            }
            Action::Fail(ticket, why) => {
                *match why {
                    Refusal::Dropped => &mut self.counts.dropped,
                    Refusal::Broken => &mut self.counts.broken,
                    Refusal::Gone => &mut self.counts.gone,
                    Refusal::NoneLeft => &mut self.counts.none_left,
                    Refusal::Closed => &mut self.counts.closed,
                    Refusal::Full | Refusal::WouldWait => {
                        panic!("a queued call is refused although it has a place: {why:?}")
                    }
                } += 1;
                self.model.failed(ticket, why);
            }
            Action::Activate(slot, worker) => {
                self.follow_exhausted();
                self.follow_hung();
                self.counts.replaced += u64::from(self.model.active[slot].is_some());
                self.counts.spare_used += u64::from(self.model.activate(worker.id, slot));
            }
            Action::Start(id) => {
                self.follow_exhausted();
                self.follow_hung();
                self.follow_spares();
                let scheduler = &self.scheduler;
                let slot = scheduler.slot_of(id);
                let state = (scheduler.is_broken(), scheduler.reload_from);
                self.model.start(id, slot, self.now, state);
            }
            Action::Retire(id) => {
                self.counts.retired += 1;
                self.counts.spare_retired += u64::from(self.model.spares.contains(&id));
                self.follow_exhausted();
                self.follow_hung();
                self.model.retire(id);
                if self.rng.chance(50) {
                    self.forget_given_up(id);
                    self.scheduler.ended(id, EndCause::Normal, self.now);
                }
            }
            Action::Discard(id) => {
                self.counts.discarded += 1;
                self.follow_exhausted();
                self.follow_hung();
                if self.model.sessions.contains(&id) {
                    self.counts.session_late += 1;
                    assert!(self.sessions_until.is_some_and(|until| until <= self.now), "{id:?} is in use");
                    self.model.discarded.insert(id);
                }
                self.model.discard(id);
                if self.rng.chance(50) {
                    self.forget_given_up(id);
                    self.scheduler.ended(id, EndCause::Crashed, self.now);
                }
            }
            Action::Kill(id) => {
                self.counts.killed += 1;
                self.follow_exhausted();
                self.follow_hung();
                self.counts.killed_late += u64::from(self.model.kill(id, self.now));
                if self.rng.chance(50) {
                    self.forget_given_up(id);
                    self.scheduler.ended(id, EndCause::Overran, self.now);
                }
            }
        }
    }

    /// Runs without further failures until no call waits or runs.
    fn heal(&mut self) {
        self.starts_fail = false;
        let lost: Vec<_> =
            self.model.active.iter().flatten().filter(|id| self.model.lost.contains(id)).copied().collect();
        for id in lost {
            self.end_unexpectedly(id);
            self.settle();
        }
        for _ in 0..10_000 {
            self.report_released();
            self.settle();
            let is_still = self.model.running.is_empty()
                && self.model.starting.is_empty()
                && self.model.sessions.iter().all(|id| self.scheduler.slot_of(*id).is_none());
            if is_still && self.model.waiting.is_empty() {
                return;
            }
            match self.rng.below(6) {
                5 => self.end_session(),
                0 => self.end_call(),
                1 => self.finish_start(),
                3 => self.resubmit(),
                // With a timeout, a worker whose calls never end is replaced.
                2 if self.config.cancel_timeout.is_zero() => self.end_given_up(),
                _ => self.now = self.wake.map_or(self.now, |wake| wake.max(self.now)),
            }
            self.settle();
        }
        panic!("{} calls are never run", self.model.waiting.len());
    }
}

fn random_config(rng: &mut Rng) -> PoolConfig {
    let max = 1 + rng.below(5) as usize;
    let limit = |rng: &mut Rng, number: u64| if rng.chance(30) { 1 + rng.below(number) } else { 0 };
    PoolConfig {
        min: rng.below(max as u64 + 1) as usize,
        max,
        spares: rng.below(6) as usize,
        max_in_flight: 1 + rng.below(3) as u32,
        queue: rng.below(30) as usize,
        when_full: rng.pick(&[WhenFull::Wait, WhenFull::Reject, WhenFull::DropOldest]).expect("one of three"),
        restart: rng
            .pick(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary])
            .expect("one of four"),
        restart_limit: (rng.below(6) as u32, Duration::from_millis(1 + rng.below(3000))),
        spawn_rate: (1 + rng.below(6) as u32, Duration::from_millis(1 + rng.below(1000))),
        on_crash: OnCrash::reject().backoff(Duration::from_millis(10), Duration::from_secs(1)),
        idle_timeout: Duration::from_millis(limit(rng, 1000)),
        cancel_timeout: Duration::from_millis(if rng.chance(70) { 1 + rng.below(300) } else { 0 }),
        hung_timeout: Duration::from_millis(if rng.chance(70) { 1 + rng.below(50) } else { 0 }),
        recycle: RecycleLimits {
            calls: limit(rng, 8),
            max_calls: limit(rng, 8),
            age: Duration::from_millis(limit(rng, 1000)),
            memory_bytes: limit(rng, 200),
        },
    }
}
