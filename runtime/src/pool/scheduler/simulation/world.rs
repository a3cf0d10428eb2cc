use std::collections::HashMap;
use std::time::{Duration, Instant};

use isolated_workers_core::testing::Rng;

use super::super::{Action, HowEnded, MemberId, Refusal, Scheduler, Seats, Submitted, Target, Ticket};
use super::hand::Hand;
use super::model::{Call, Model};
use crate::OnCrash;
use crate::pool::rules::Recycle;
use crate::pool::{Restart, Rules, WhenFull};

macro_rules! counts {
    ($($count:ident,)*) => {
        /// What happened, to see that a scene did not pass because nothing did.
        #[derive(Debug, Default)]
        pub(super) struct Counts { $($count: u64,)* }

        impl Counts {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$count += other.$count;)*
            }

            pub(super) fn each(&self, mut check: impl FnMut(&str, u64)) {
                $(check(stringify!($count), self.$count);)*
            }
        }
    };
}

counts! {
    by_itself, at_once, queued, told_late, dispatched, full, dropped, broken, gone, none_left, closed, cancelled, started, start_failed,
    crashed, ended, overran, lost, retired, replaced, reloaded, reload_failed,
}

/// A pool, its workers and its callers.
pub(super) struct World {
    rng: Rng,
    now: Instant,
    rules: Rules,
    scheduler: Scheduler<Hand>,
    /// Every worker that has come up.
    hands: HashMap<MemberId, Hand>,
    /// The slots of seats that were given back, which is still to be told of.
    vacated: Vec<usize>,
    model: Model,
    counts: Counts,
    /// Where the calls of a key go.
    homes: HashMap<u64, usize>,
    wake: Option<Instant>,
    reload: Option<u64>,
    /// Whether workers come up, more or less.
    is_ill: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rules = rules(&mut rng);
        let scheduler = Scheduler::new(rules.clone(), rng.number());
        let is_ill = rng.chance(25);
        Self {
            rng,
            now: Instant::now(),
            scheduler,
            hands: HashMap::new(),
            vacated: Vec::new(),
            model: Model::new(rules.clone()),
            rules,
            counts: Counts::default(),
            homes: HashMap::new(),
            wake: None,
            reload: None,
            is_ill,
        }
    }

    pub(super) fn run(mut self) -> Counts {
        self.settle();
        for _ in 0..20 + self.rng.below(150) {
            self.step();
            self.settle();
        }
        self.heal();
        if self.rng.chance(50) {
            self.scheduler.drain();
        } else {
            self.scheduler.close();
        }
        let refused = self.scheduler.submit(Target::Any, 0);
        assert!(matches!(refused, Err(Refusal::Closed)), "{refused:?}");
        self.counts.closed += 1;
        self.heal();
        assert!(self.scheduler.is_idle(), "it does not drain");
        self.counts
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..10 => self.find_a_seat(),
            10..40 => self.submit(),
            40..45 => self.cancel(),
            45..63 => self.finish(),
            63..65 => self.tell(),
            65..75 => self.come_up(),
            75..79 => self.end(),
            79..80 => {
                if let Some(id) = self.an_active() {
                    self.counts.lost += 1;
                    self.model.lost.insert(id);
                    self.hands[&id].close();
                }
            }
            80..85 => {
                let bytes = self.rng.below(200);
                if let Some(id) = self.an_active() {
                    self.scheduler.resident(id, bytes);
                }
            }
            85..86 => self.reload = Some(self.scheduler.reload()),
            86..95 => self.now += Duration::from_millis(self.rng.below(400)),
            _ => self.now = self.wake.map_or(self.now, |wake| wake.max(self.now)),
        }
    }

    /// A call looks for a seat by itself.
    fn find_a_seat(&mut self) {
        if self.scheduler.is_crowded() {
            return;
        }
        let hands = self.model.active.iter().flatten().map(|id| &self.hands[id]);
        if let Some(hand) = hands.max_by_key(|hand| hand.free()).filter(|hand| hand.take()) {
            self.counts.by_itself += 1;
            self.model.run(hand.id);
        }
    }

    fn submit(&mut self) {
        let slots = self.rules.max as u64;
        let target = match self.rng.below(10) {
            0..5 => Target::Any,
            5..8 => Target::Key(self.rng.below(8)),
            _ => Target::Slot(self.rng.below(slots + 1) as usize),
        };
        let priority = if self.rng.chance(50) { 0 } else { self.rng.below(5) as i32 - 2 };
        let submitted = self.scheduler.submit(target, priority);
        // Those that had waited for a seat were before it.
        let (run, other) = std::iter::from_fn(|| self.scheduler.next_action())
            .partition::<Vec<_>, _>(|action| matches!(action, Action::Run(..)));
        run.into_iter().for_each(|action| self.carry_out(action));
        match submitted {
            Ok(Submitted::Run(id, handle)) => {
                assert_eq!(id, handle.id);
                self.check_home(target, Some(id.slot));
                self.counts.at_once += 1;
                self.model.run(id);
            }
            Ok(Submitted::Queued(ticket)) => {
                let (_, call) =
                    self.scheduler.queue.iter().find(|(there, _)| *there == ticket).expect("it waits");
                let call = Call { target, priority, slot: call.slot };
                self.check_home(target, call.slot);
                self.counts.queued += 1;
                self.model.queued(ticket, call);
            }
            Err(Refusal::Full) => {
                assert_ne!(self.rules.when_full, WhenFull::Wait);
                self.counts.full += 1;
            }
            Err(Refusal::Broken) => {
                assert!(self.scheduler.is_broken());
                self.counts.broken += 1;
            }
            Err(Refusal::Gone) => self.counts.gone += 1,
            Err(Refusal::NoneLeft) => {
                assert_ne!(self.rules.restart, Restart::Permanent);
                self.counts.none_left += 1;
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
        other.into_iter().for_each(|action| self.carry_out(action));
    }

    /// A key stays where it is, as long as its slot is there.
    fn check_home(&mut self, target: Target, slot: Option<usize>) {
        match (target, slot) {
            (Target::Key(key), Some(slot)) => {
                let home = self.homes.insert(key, slot).unwrap_or(slot);
                let has_moved = home != slot;
                assert!(!has_moved || self.scheduler.slots[home].is_gone, "the key {key} has moved");
            }
            (Target::Slot(wanted), slot) => assert_eq!(slot, Some(wanted)),
            (Target::Any, _) => {}
            (target, None) => panic!("{target:?} goes anywhere"),
        }
    }

    fn cancel(&mut self) {
        let waiting: Vec<Ticket> = self.model.waiting.keys().copied().collect();
        if let Some(ticket) = self.rng.pick(&waiting) {
            self.counts.cancelled += 1;
            self.scheduler.cancel(ticket);
            self.model.gone(ticket);
        }
    }

    fn finish(&mut self) {
        if !self.model.running.is_empty() {
            let at = self.rng.below(self.model.running.len() as u64) as usize;
            let id = self.model.running.swap_remove(at);
            let is_due = self.hands[&id].is_left();
            if is_due || self.scheduler.is_crowded() {
                self.vacated.push(id.slot);
                // Others may be at the scheduler first.
                if self.rng.chance(70) {
                    self.tell();
                } else {
                    self.counts.told_late += 1;
                }
            }
        }
    }

    fn tell(&mut self) {
        self.vacated.drain(..).for_each(|slot| self.scheduler.vacated(slot));
    }

    fn come_up(&mut self) {
        let Some(id) = self.rng.pick(&self.model.starting) else { return };
        self.model.starting.retain(|starting| *starting != id);
        if self.rng.chance(if self.is_ill { 70 } else { 10 }) {
            self.counts.start_failed += 1;
            self.model.start_failed(self.now);
            return self.scheduler.start_failed(id, self.now);
        }
        self.counts.started += 1;
        self.model.came_up();
        if let Some(old) = self.model.active[id.slot].replace(id) {
            self.counts.replaced += 1;
            self.model.retiring.insert(old);
        }
        let hand = Hand::new(id);
        self.hands.insert(id, hand.clone());
        self.scheduler.started(id, hand, self.now);
    }

    fn an_active(&mut self) -> Option<MemberId> {
        let active: Vec<_> = self.model.active.iter().flatten().copied().collect();
        self.rng.pick(&active)
    }

    /// A worker ends that was not told to. Its calls notice later.
    fn end(&mut self) {
        let mut there: Vec<_> = self.model.active.iter().flatten().copied().collect();
        there.extend(&self.model.retiring);
        there.sort_by_key(|id| id.number);
        if let Some(id) = self.rng.pick(&there) {
            self.end_one(id);
        }
    }

    fn end_one(&mut self, id: MemberId) {
        let how = match self.rng.below(4) {
            0 => HowEnded::Normal,
            1 => HowEnded::Overran,
            _ => HowEnded::Crashed,
        };
        *match how {
            HowEnded::Normal => &mut self.counts.ended,
            HowEnded::Overran => &mut self.counts.overran,
            HowEnded::Crashed => &mut self.counts.crashed,
        } += 1;
        self.model.retiring.remove(&id);
        if self.model.active[id.slot] == Some(id) {
            self.model.active[id.slot] = None;
            let another = match self.rules.restart {
                Restart::Permanent => true,
                Restart::Transient => how == HowEnded::Crashed,
                Restart::Temporary => false,
            };
            if another && how != HowEnded::Overran {
                self.model.missed(self.now);
            }
        }
        self.scheduler.ended(id, how, self.now);
    }

    /// Carries out what the scheduler asks for, as its owner does.
    fn settle(&mut self) {
        loop {
            while let Some(action) = self.scheduler.next_action() {
                self.carry_out(action);
            }
            if !self.scheduler.wants_owner() && self.wake.is_none_or(|wake| wake > self.now) {
                break;
            }
            self.wake = self.scheduler.poll(self.now);
            assert!(self.wake.is_none_or(|wake| wake > self.now), "it wants to be woken at once, for ever");
        }
        self.follow_moves();
        self.model.check_bound(self.scheduler.queue.inside(), self.scheduler.queued());
        if self.vacated.is_empty() {
            self.model.check_nothing_waits_in_vain();
        }
        self.model.check_broken(self.scheduler.is_broken());
        if let Some(result) = self.reload.and_then(|from| self.scheduler.reloaded(from)) {
            self.reload = None;
            *(if result { &mut self.counts.reloaded } else { &mut self.counts.reload_failed }) += 1;
        }
    }

    /// Calls of a key move when their slot is gone for good.
    fn follow_moves(&mut self) {
        for (ticket, call) in self.scheduler.queue.iter() {
            if let Some(known) = self.model.waiting.get_mut(&ticket) {
                assert!(known.slot == call.slot || matches!(known.target, Target::Key(_)));
                known.slot = call.slot;
            }
        }
    }

    fn carry_out(&mut self, action: Action<Hand>) {
        self.follow_moves();
        match action {
            Action::Run(ticket, id, handle) => {
                assert_eq!(id, handle.id);
                if let Some(call) = self.model.waiting.get_mut(&ticket)
                    && let Target::Key(_) = call.target
                {
                    call.slot = Some(id.slot);
                    self.check_home(self.model.waiting[&ticket].target, Some(id.slot));
                }
                self.counts.dispatched += 1;
                self.model.dispatched(ticket, id);
            }
            Action::Fail(ticket, why) => {
                *match why {
                    Refusal::Dropped => &mut self.counts.dropped,
                    Refusal::Broken => &mut self.counts.broken,
                    Refusal::Gone => &mut self.counts.gone,
                    Refusal::NoneLeft => &mut self.counts.none_left,
                    Refusal::Closed => &mut self.counts.closed,
                    Refusal::Full => panic!("it was taken in"),
                } += 1;
                self.model.failed(ticket, why);
            }
            Action::Start(id) => self.model.start(id, self.now, self.scheduler.is_broken()),
            Action::Retire(id) => {
                self.counts.retired += 1;
                self.model.retire(id);
                if self.rng.chance(50) {
                    self.scheduler.ended(id, HowEnded::Normal, self.now);
                }
            }
        }
    }

    /// From now on all goes well: then everything gets done.
    fn heal(&mut self) {
        self.is_ill = false;
        let lost: Vec<_> =
            self.model.active.iter().flatten().filter(|id| self.model.lost.contains(id)).copied().collect();
        for id in lost {
            self.end_one(id);
            self.settle();
        }
        for _ in 0..10_000 {
            self.tell();
            self.settle();
            let is_still = self.model.running.is_empty() && self.model.starting.is_empty();
            if is_still && self.model.waiting.is_empty() {
                return;
            }
            match self.rng.below(3) {
                0 => self.finish(),
                1 => self.come_up(),
                _ => self.now = self.wake.map_or(self.now, |wake| wake.max(self.now)),
            }
            self.settle();
        }
        panic!("{} calls wait for ever", self.model.waiting.len());
    }
}

fn rules(rng: &mut Rng) -> Rules {
    let max = 1 + rng.below(5) as usize;
    let some = |rng: &mut Rng, number: u64| if rng.chance(30) { 1 + rng.below(number) } else { 0 };
    Rules {
        min: rng.below(max as u64 + 1) as usize,
        max,
        max_in_flight: 1 + rng.below(3) as u32,
        queue: rng.below(30) as usize,
        when_full: rng.pick(&[WhenFull::Wait, WhenFull::Reject, WhenFull::DropOldest]).expect("one of three"),
        restart: rng
            .pick(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary])
            .expect("one of four"),
        restart_limit: (rng.below(6) as u32, Duration::from_millis(1 + rng.below(3000))),
        spawn_rate: (1 + rng.below(6) as u32, Duration::from_millis(1 + rng.below(1000))),
        on_crash: OnCrash::reject().backoff(Duration::from_millis(10), Duration::from_secs(1)),
        idle_timeout: Duration::from_millis(some(rng, 1000)),
        recycle: Recycle {
            calls: some(rng, 8),
            age: Duration::from_millis(some(rng, 1000)),
            memory: some(rng, 200),
        },
    }
}
