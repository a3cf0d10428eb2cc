//! Switch between the fast path and the slow path of a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flag that is set while a pool is contended.
///
/// While it is set, every call asks the scheduler for a permit and reports the permit that it
/// releases. While it is clear, calls find permits themselves and the scheduler does not know them.
///
/// The flag is also set while the scheduler looks for a permit. Each permit is guarded by a lock,
/// which the scheduler takes. The scheduler finds any permit that was released before the scheduler
/// took the lock. A call that releases a permit later sees the flag and reports the release. So no
/// call waits while a permit is free.
#[derive(Debug)]
pub(in crate::pool) struct Contention<F = AtomicBool>(Arc<F>);

/// Atomic flag. Tests use the atomic of loom.
pub(in crate::pool) trait AtomicFlag {
    fn get(&self) -> bool;
    fn set(&self, value: bool);
}

impl AtomicFlag for AtomicBool {
    #[inline]
    fn get(&self) -> bool {
        self.load(Ordering::Acquire)
    }

    fn set(&self, value: bool) {
        self.store(value, Ordering::Release);
    }
}

impl<F: AtomicFlag> Contention<F> {
    pub(in crate::pool) fn new(flag: F) -> Self {
        Self(Arc::new(flag))
    }

    /// The flag, for the links of the workers: they report released permits while it is set.
    pub(in crate::pool) fn flag(&self) -> Arc<F> {
        Arc::clone(&self.0)
    }

    #[inline]
    pub(in crate::pool) fn is_contended(&self) -> bool {
        self.0.get()
    }

    /// Sets the flag, runs `ask` on the scheduler in `state`, and stores the result of
    /// `is_contended`.
    pub(in crate::pool) fn while_contended<S, T>(
        &self,
        state: &mut S,
        ask: impl FnOnce(&mut S) -> T,
        is_contended: impl FnOnce(&S) -> bool,
    ) -> T {
        self.0.set(true);
        let answer = ask(state);
        self.0.set(is_contended(state));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use loom::sync::atomic::{AtomicBool, AtomicU32};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;
    use crate::OnCrash;
    use crate::pool::config::{PoolConfig, RecycleLimits};
    use crate::pool::scheduler::{Action, PermitCounts, Scheduler, Submitted, Target, WorkerPermits};
    use crate::pool::{Restart, WhenFull};

    impl AtomicFlag for AtomicBool {
        fn get(&self) -> bool {
            self.load(Ordering::Acquire)
        }

        fn set(&self, value: bool) {
            self.store(value, Ordering::Release);
        }
    }

    /// A worker with one permit, guarded and published as its link does.
    #[derive(Clone)]
    struct LoomWorker(Arc<(Mutex<bool>, AtomicU32)>);

    impl LoomWorker {
        fn set_taken(&self, is_taken: bool) -> bool {
            let mut taken = self.0.0.lock().unwrap();
            let changes = *taken != is_taken;
            *taken = is_taken;
            self.0.1.store(u32::from(!is_taken), Ordering::Relaxed);
            changes
        }
    }

    impl WorkerPermits for LoomWorker {
        fn open(&self, _: usize, _: u32, _: u64, _: u64) {
            self.0.1.store(1, Ordering::Relaxed);
        }

        fn close(&self) {}

        fn try_acquire(&self) -> bool {
            self.set_taken(true)
        }

        fn release(&self) {
            assert!(self.set_taken(false), "the permit was not taken");
        }

        fn try_check_out(&self) -> bool {
            self.try_acquire()
        }

        fn end_session(&self, _: bool) {
            self.release();
        }

        fn available(&self) -> u32 {
            self.0.1.load(Ordering::Relaxed)
        }

        fn counts(&self) -> PermitCounts {
            PermitCounts {
                is_open: true,
                in_flight: u32::from(*self.0.0.lock().unwrap()),
                given_up: 0,
                acquired: 0,
                timeouts: 0,
                unanswered_since: None,
            }
        }
    }

    /// A pool of one worker with one call at a time.
    struct OneWorkerPool {
        contention: Contention<AtomicBool>,
        worker: LoomWorker,
        scheduler: Mutex<Scheduler<LoomWorker>>,
    }

    impl OneWorkerPool {
        fn new() -> Self {
            let config = PoolConfig {
                min: 1,
                max: 1,
                spares: 0,
                max_in_flight: 1,
                queue: 10,
                when_full: WhenFull::Wait,
                restart: Restart::Permanent,
                restart_limit: (1, Duration::from_secs(1)),
                spawn_rate: (1, Duration::from_secs(1)),
                on_crash: OnCrash::reject(),
                idle_timeout: Duration::ZERO,
                cancel_timeout: Duration::ZERO,
                hung_timeout: Duration::ZERO,
                recycle: RecycleLimits::default(),
            };
            let worker = LoomWorker(Arc::new((Mutex::new(false), AtomicU32::new(0))));
            let mut scheduler = Scheduler::new(config, 0);
            scheduler.poll(Instant::now());
            let Some(Action::Start(id)) = scheduler.next_action() else { panic!("the pool needs a worker") };
            scheduler.started(id, worker.clone(), Instant::now());
            assert!(matches!(scheduler.next_action(), Some(Action::Activate(0, _))));
            let contention = Contention::new(AtomicBool::new(scheduler.is_contended()));
            Self { contention, worker, scheduler: Mutex::new(scheduler) }
        }

        /// Asks the scheduler, and runs the calls to which it assigned a permit.
        fn ask<T>(&self, ask: impl FnOnce(&mut Scheduler<LoomWorker>) -> T) -> T {
            let (answer, assigned) = {
                let mut scheduler = self.scheduler.lock().unwrap();
                let answer = self.contention.while_contended(&mut *scheduler, ask, Scheduler::is_contended);
                (answer, std::iter::from_fn(|| scheduler.next_action()).count())
            };
            (0..assigned).for_each(|_| self.run());
            answer
        }

        /// Runs a call that has a permit.
        fn run(&self) {
            self.worker.release();
            if self.contention.is_contended() {
                self.ask(|scheduler| scheduler.permit_released(0));
            }
        }

        fn call(&self) {
            let on_fast_path =
                !self.contention.is_contended() && self.worker.available() > 0 && self.worker.try_acquire();
            if on_fast_path || matches!(self.ask(|s| s.submit(Target::Any, 0)), Ok(Submitted::Run(..))) {
                self.run();
            }
        }
    }

    #[test]
    fn no_call_waits_while_a_permit_is_free() {
        let mut model = loom::model::Builder::new();
        // An unbounded search does not end in reasonable time.
        model.preemption_bound = Some(4);
        model.check(|| {
            let pool = Arc::new(OneWorkerPool::new());
            let other = Arc::clone(&pool);
            let other = thread::spawn(move || {
                other.call();
                other.call();
            });
            pool.call();
            other.join().unwrap();
            let scheduler = pool.scheduler.lock().unwrap();
            assert_eq!((scheduler.queued(), pool.worker.available()), (0, 1));
            assert!(!pool.contention.is_contended(), "the fast path is open again");
        });
    }
}
