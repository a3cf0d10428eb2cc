//! State shared by the callers of a pool and its supervisor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::Error;
use tokio::sync::{Notify, watch};

use super::checkout_state::{QueuedCheckout, SessionCrash};
use super::config::PoolConfig;
use super::fast_path::{Contention, LinkTable, WorkerHandle};
use super::resident_memory::resident_bytes;
use super::scheduler::{Action, InstanceId, Scheduler, SlotSnapshot, Ticket, WorkerPermits};
use super::waiting_call::{AssignedCall, QueueOutcome, QueuedRequest, WaitState};
use super::{QueueStats, SpareStats, Stats, WorkerId, WorkerStats};
use crate::connection::wake_all;
use crate::driver::Driver;
use crate::host::crash_policy::random;
use crate::host::starter::Starter;
use crate::host::supervisor::StopRequest;
use crate::{OnCrash, Status};

/// State of a pool: its configuration, the fast path, and the scheduler behind one short lock.
pub(super) struct PoolShared<C: Codec> {
    pub(super) codec: C,
    pub(super) body_limit: BodyLimit,
    /// Description of the program, for errors.
    pub(super) subject: String,
    /// Id of the pool in the chains of its callbacks. `None` if its host serves nothing.
    pub(super) chain_id: Option<Arc<str>>,
    pub(super) on_crash: OnCrash,
    /// Timeout of calls that set none. Zero means no limit.
    pub(super) timeout: Duration,
    /// Number of permits of a worker.
    pub(super) max_in_flight: u32,
    /// Number of permits of all workers together.
    pub(super) capacity: usize,
    /// Time after which a queued call fails. Zero means no limit.
    pub(super) queue_timeout: Duration,
    pub(super) links: LinkTable<C>,
    pub(super) contention: Contention,
    state: Mutex<PoolState<C>>,
    /// Wakes the supervisor.
    pub(super) notify: Notify,
    pub(super) stop: watch::Sender<StopRequest>,
    pub(super) stats: watch::Sender<Stats>,
    /// Set when the pool has ended.
    pub(super) end: watch::Sender<Option<PoolEnd>>,
}

/// End of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolEnd {
    /// All workers are gone. `killed` of them did not end in time and were killed.
    Closed { killed: usize },
    /// The supervisor was dropped, because its runtime was shut down.
    RuntimeGone,
    /// The supervisor panicked.
    Panicked,
}

/// State guarded by the pool's lock.
pub(super) struct PoolState<C: Codec> {
    pub(super) scheduler: Scheduler<WorkerHandle<C>>,
    pub(super) waiting: HashMap<Ticket, WaitState<C>>,
    /// Checkouts that wait in the queue, or whose callers have not taken the outcome.
    pub(super) checkouts: HashMap<Ticket, QueuedCheckout<C>>,
    /// Workers of the sessions, which learn of their crashes.
    pub(super) sessions: HashMap<InstanceId, Arc<SessionCrash>>,
    /// Queued calls that got a permit and are to be started.
    pub(super) assigned: VecDeque<AssignedCall<C>>,
    /// `true` while a thread starts them, one after the other.
    pub(super) is_starting_calls: bool,
    /// Commands that the supervisor has not taken yet.
    pub(super) commands: Vec<SupervisorCommand>,
    pub(super) queue_stats: QueueStats,
    /// Error of the last worker that ended unexpectedly or did not come up.
    pub(super) last_failure: Option<Error>,
    /// The same for each slot.
    pub(super) last_errors: HashMap<usize, Error>,
}

/// Command to the pool's supervisor.
pub(super) enum SupervisorCommand {
    Start(InstanceId),
    Retire(InstanceId),
    Kill(InstanceId),
    Discard(InstanceId),
}

impl<C: Codec> PoolShared<C> {
    pub(super) fn new<D: Driver, T>(
        starter: &Starter<D, C, T>,
        config: &PoolConfig,
        queue_timeout: Duration,
    ) -> Self {
        let state = PoolState {
            scheduler: Scheduler::new(config.clone(), random()),
            waiting: HashMap::new(),
            checkouts: HashMap::new(),
            sessions: HashMap::new(),
            assigned: VecDeque::new(),
            is_starting_calls: false,
            commands: Vec::new(),
            queue_stats: QueueStats::default(),
            last_failure: None,
            last_errors: HashMap::new(),
        };
        Self {
            codec: starter.codec.clone(),
            body_limit: starter.codec.body_limit(starter.settings.limits),
            subject: starter.driver.subject(),
            chain_id: starter.callbacks.as_ref().map(|callbacks| Arc::clone(&callbacks.id)),
            on_crash: starter.settings.on_crash,
            timeout: starter.settings.timeouts.message,
            max_in_flight: config.max_in_flight,
            capacity: config.max.saturating_mul(config.max_in_flight as usize),
            queue_timeout,
            links: LinkTable::new(config.max),
            contention: Contention::new(AtomicBool::new(true)),
            state: Mutex::new(state),
            notify: Notify::new(),
            stop: watch::Sender::new(StopRequest::None),
            stats: watch::Sender::default(),
            end: watch::Sender::new(None),
        }
    }

    /// Returns `true` if a worker has one call at a time.
    pub(super) fn is_exclusive(&self) -> bool {
        self.max_in_flight == 1
    }

    /// Locks the state. No user code runs under this lock, so a panic cannot poison it.
    pub(super) fn lock(&self) -> MutexGuard<'_, PoolState<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and carries out the actions of the scheduler: starts calls that got a
    /// permit, wakes the callers of refused ones, and forwards commands to the supervisor.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut PoolState<C>) -> T) -> T {
        let mut state = self.lock();
        let outcome =
            self.contention.while_contended(&mut *state, change, |state| state.scheduler.is_contended());
        if !state.scheduler.has_work() {
            return outcome;
        }
        let (mut refused, mut woken) = (Vec::new(), Vec::new());
        state.forward_actions(&self.links, &mut refused, &mut woken);
        let has_supervisor_work = state.scheduler.has_work() || !state.commands.is_empty();
        let starts_calls =
            !state.assigned.is_empty() && !std::mem::replace(&mut state.is_starting_calls, true);
        drop(state);
        wake_all(refused.into_iter().map(|queued| queued.waker));
        wake_all(woken);
        if has_supervisor_work {
            self.notify.notify_one();
        }
        if starts_calls {
            self.start_assigned();
        }
        outcome
    }

    /// Reports a released permit to the scheduler.
    #[cold]
    pub(super) fn permit_released(&self, slot: usize) {
        self.update(|state| state.scheduler.permit_released(slot));
    }

    /// Returns `true` if no calls are queued or in flight. Calls may still be
    /// [made again](Self::has_unsent).
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.scheduler.is_idle() && !state.is_starting_calls
    }

    /// Returns `true` if calls that had a permit were not sent, and were not made again yet.
    pub(super) fn has_unsent(&self) -> bool {
        let is_unsent = |call: &WaitState<C>| matches!(call, WaitState::Ended(QueueOutcome::Unsent(_)));
        self.links.have_unsent() || self.lock().waiting.values().any(is_unsent)
    }

    /// Returns the result of a reload (`None` while it runs), and the last failure of a worker.
    pub(super) fn reload_result(&self, from: u64) -> (Option<bool>, Option<Error>) {
        let state = self.lock();
        (state.scheduler.reload_result(from), state.last_failure.clone())
    }

    pub(super) fn stop(&self, stop: StopRequest) {
        self.stop.send_if_modified(|wanted| {
            let is_stronger = stop > *wanted;
            *wanted = stop.max(*wanted);
            is_stronger
        });
    }

    pub(super) fn end(&self) -> Option<PoolEnd> {
        *self.end.borrow()
    }

    pub(super) fn stats(&self) -> Stats {
        with_memory(self.lock().stats())
    }

    /// Publishes the statistics if workers have changed.
    pub(super) fn publish_stats(&self) {
        let stats = self.lock().stats();
        if self.stats.borrow().workers_changed(&stats) {
            self.stats.send_replace(with_memory(stats));
        }
    }
}

/// Adds the memory of the workers. Called without the lock, because it reads files.
fn with_memory(mut stats: Stats) -> Stats {
    for worker in &mut stats.workers {
        worker.memory = worker.pid.and_then(resident_bytes);
    }
    stats
}

impl<C: Codec> PoolState<C> {
    /// Records that a worker has ended unexpectedly, or did not come up. `slot`: its slot, unless
    /// it was a spare.
    pub(super) fn failed(&mut self, slot: Option<usize>, error: Error) {
        if let Some(slot) = slot {
            self.last_errors.insert(slot, error.clone());
        }
        self.last_failure = Some(error);
    }

    fn stats(&self) -> Stats {
        let worker = |(at, slot): (usize, SlotSnapshot<'_, WorkerHandle<C>>)| WorkerStats {
            id: WorkerId(at),
            status: match slot.active {
                Some(_) => Status::Active,
                None if slot.is_starting => Status::Starting,
                None => Status::Closed,
            },
            pid: slot.active.and_then(|(worker, _)| worker.pid),
            in_flight: slot.in_flight,
            given_up: slot.given_up,
            retiring: slot.retiring,
            checked_out: slot.checked_out,
            done: slot.totals.done,
            timeouts: slot.totals.timeouts,
            crashes: slot.totals.crashes,
            killed: slot.totals.killed,
            hung: slot.totals.hung,
            restarts: slot.totals.starts.saturating_sub(1),
            last_error: self.last_errors.get(&at).cloned(),
            memory: None,
            age: slot.active.map_or(Duration::ZERO, |(_, since)| since.elapsed()),
        };
        let spares = self.scheduler.spares();
        Stats {
            spares: SpareStats {
                pids: spares.ready.iter().filter_map(|worker| worker.pid).collect(),
                ready: spares.ready.len(),
                starting: spares.starting,
                crashes: spares.crashes,
            },
            workers: self.scheduler.snapshots().enumerate().map(worker).collect(),
            queued: self.scheduler.queued(),
            waits: self.queue_stats,
            is_broken: self.scheduler.is_broken(),
        }
    }

    /// Forwards the scheduler's actions: to queued calls, to the fast path, or to the supervisor.
    /// The requests and wakers of refused calls go to `refused`, and the wakers of checkouts to
    /// `woken`. They are dropped after the lock is released.
    fn forward_actions(
        &mut self,
        links: &LinkTable<C>,
        refused: &mut Vec<QueuedRequest>,
        woken: &mut Vec<Waker>,
    ) {
        while let Some(action) = self.scheduler.next_action() {
            match action {
                Action::Run(ticket, worker) => match self.end_wait(ticket, WaitState::Starting(None)) {
                    Some(queued) => {
                        self.assigned.push_back(AssignedCall::new(ticket, worker.link, queued));
                    }
                    None => worker.release(),
                },
                Action::CheckOut(ticket, worker) => {
                    match self.end_checkout(ticket, QueuedCheckout::CheckedOut(worker.clone())) {
                        Some(waker) => woken.push(waker),
                        None => self.scheduler.give_back(worker.id, &worker, true),
                    }
                }
                Action::Fail(ticket, refusal) => {
                    woken.extend(self.end_checkout(ticket, QueuedCheckout::Refused(refusal)));
                    let queued = self.end_wait(ticket, WaitState::Ended(QueueOutcome::Refused(refusal)));
                    refused.extend(queued);
                }
                Action::Reserve(..) => {}
                Action::Activate(slot, worker) => links.set_worker(slot, worker.index),
                Action::Start(id) => self.commands.push(SupervisorCommand::Start(id)),
                Action::Retire(id) => self.commands.push(SupervisorCommand::Retire(id)),
                Action::Kill(id) => self.commands.push(SupervisorCommand::Kill(id)),
                Action::Discard(id) => self.commands.push(SupervisorCommand::Discard(id)),
            }
        }
    }

    /// Ends the wait of a checkout in the queue. Returns the waker of its caller.
    fn end_checkout(&mut self, ticket: Ticket, next: QueuedCheckout<C>) -> Option<Waker> {
        let entry = self.checkouts.get_mut(&ticket)?;
        let QueuedCheckout::Waiting { since, waker } = std::mem::replace(entry, next) else { return None };
        self.queue_stats.add(since.elapsed());
        Some(waker)
    }

    /// Ends the wait of a call in the queue. Returns its request.
    fn end_wait(&mut self, ticket: Ticket, next: WaitState<C>) -> Option<QueuedRequest> {
        let entry = self.waiting.get_mut(&ticket)?;
        let WaitState::Queued(queued) = std::mem::replace(entry, next) else { return None };
        self.queue_stats.add(queued.since.elapsed());
        Some(queued)
    }
}
