use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a pool is crowded: whether every call has to ask the scheduler for a seat, and to tell it of one that it gives
/// back. Otherwise calls find their seats by themselves, and the scheduler knows nothing of them.
///
/// It is crowded while the scheduler is asked, too. Each seat is guarded by a lock, which the scheduler takes to look for
/// one: a seat that was given back before that is found, and whoever gives one back after it sees that the pool is crowded.
/// So no call waits for a seat that is free.
#[derive(Debug)]
pub(super) struct Gate<F = AtomicBool>(F);

/// What a gate is made of.
pub(super) trait Flag {
    fn get(&self) -> bool;
    fn set(&self, value: bool);
}

impl Flag for AtomicBool {
    #[inline]
    fn get(&self) -> bool {
        self.load(Ordering::Acquire)
    }

    fn set(&self, value: bool) {
        self.store(value, Ordering::Release);
    }
}

impl<F: Flag> Gate<F> {
    pub(super) fn new(flag: F) -> Self {
        Self(flag)
    }

    #[inline]
    pub(super) fn is_crowded(&self) -> bool {
        self.0.get()
    }

    /// Has `ask` ask the scheduler, which is a part of `state`; `is_crowded` tells whether the pool stays crowded.
    pub(super) fn while_crowded<S, T>(
        &self,
        state: &mut S,
        ask: impl FnOnce(&mut S) -> T,
        is_crowded: impl FnOnce(&S) -> bool,
    ) -> T {
        self.0.set(true);
        let answer = ask(state);
        self.0.set(is_crowded(state));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use loom::sync::atomic::{AtomicBool, AtomicU32};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::super::rules::Recycle;
    use super::super::scheduler::{Action, Scheduler, Seats, Submitted, Target};
    use super::super::{Restart, Rules, WhenFull};
    use super::*;
    use crate::OnCrash;

    impl Flag for AtomicBool {
        fn get(&self) -> bool {
            self.load(Ordering::Acquire)
        }

        fn set(&self, value: bool) {
            self.store(value, Ordering::Release);
        }
    }

    /// The one seat of a worker, as its link guards and shows it.
    #[derive(Clone)]
    struct Chair(Arc<(Mutex<bool>, AtomicU32)>);

    impl Chair {
        fn change(&self, is_taken: bool) -> bool {
            let mut taken = self.0.0.lock().unwrap();
            let changes = *taken != is_taken;
            *taken = is_taken;
            self.0.1.store(u32::from(!is_taken), Ordering::Relaxed);
            changes
        }
    }

    impl Seats for Chair {
        fn open(&self, _: u32, _: u64) {
            self.0.1.store(1, Ordering::Relaxed);
        }

        fn close(&self) {}

        fn take(&self) -> bool {
            self.change(true)
        }

        fn give_back(&self) {
            assert!(self.change(false), "it is nobody's");
        }

        fn free(&self) -> u32 {
            self.0.1.load(Ordering::Relaxed)
        }

        fn counts(&self) -> (bool, u32, u64) {
            (true, u32::from(*self.0.0.lock().unwrap()), 0)
        }
    }

    /// A pool of one worker that has one call at a time.
    struct Small {
        gate: Gate<AtomicBool>,
        chair: Chair,
        scheduler: Mutex<Scheduler<Chair>>,
    }

    impl Small {
        fn new() -> Self {
            let rules = Rules {
                min: 1,
                max: 1,
                max_in_flight: 1,
                queue: 10,
                when_full: WhenFull::Wait,
                restart: Restart::Permanent,
                restart_limit: (1, Duration::from_secs(1)),
                spawn_rate: (1, Duration::from_secs(1)),
                on_crash: OnCrash::reject(),
                idle_timeout: Duration::ZERO,
                recycle: Recycle { calls: 0, age: Duration::ZERO, memory: 0 },
            };
            let chair = Chair(Arc::new((Mutex::new(false), AtomicU32::new(0))));
            let mut scheduler = Scheduler::new(rules, 0);
            scheduler.poll(Instant::now());
            let Some(Action::Start(id)) = scheduler.next_action() else { panic!("it needs a worker") };
            scheduler.started(id, chair.clone(), Instant::now());
            let gate = Gate::new(AtomicBool::new(scheduler.is_crowded()));
            Self { gate, chair, scheduler: Mutex::new(scheduler) }
        }

        /// Asks the scheduler, and has those run that it has found a seat for.
        fn ask<T>(&self, ask: impl FnOnce(&mut Scheduler<Chair>) -> T) -> T {
            let (answer, run) = {
                let mut scheduler = self.scheduler.lock().unwrap();
                let answer = self.gate.while_crowded(&mut *scheduler, ask, Scheduler::is_crowded);
                (answer, std::iter::from_fn(|| scheduler.next_action()).count())
            };
            (0..run).for_each(|_| self.run());
            answer
        }

        /// A call that has a seat.
        fn run(&self) {
            self.chair.give_back();
            if self.gate.is_crowded() {
                self.ask(|scheduler| scheduler.vacated(0));
            }
        }

        fn call(&self) {
            let by_itself = !self.gate.is_crowded() && self.chair.free() > 0 && self.chair.take();
            if by_itself || matches!(self.ask(|s| s.submit(Target::Any, 0)), Ok(Submitted::Run(..))) {
                self.run();
            }
        }
    }

    #[test]
    fn no_call_waits_for_a_seat_that_is_free() {
        let mut model = loom::model::Builder::new();
        // All orders are too many.
        model.preemption_bound = Some(4);
        model.check(|| {
            let pool = Arc::new(Small::new());
            let other = Arc::clone(&pool);
            let other = thread::spawn(move || {
                other.call();
                other.call();
            });
            pool.call();
            other.join().unwrap();
            let scheduler = pool.scheduler.lock().unwrap();
            assert_eq!((scheduler.queued(), pool.chair.free()), (0, 1));
            assert!(!pool.gate.is_crowded(), "calls can find seats by themselves again");
        });
    }
}
