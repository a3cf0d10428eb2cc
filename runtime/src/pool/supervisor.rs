//! Supervisor of a pool: the task that starts and ends workers at the scheduler's request.
//!
//! If the task is dropped with its runtime, or panics, it ends all calls and workers of the pool.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hashbrown::HashMap;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ExitReason, TxIdGenerator};
use isolated_workers_transport::Transport;
use tokio::sync::{oneshot, watch};
use tokio::time::{interval, sleep_until};

use super::call_errors::lost_in_flight;
use super::fast_path::WorkerHandle;
use super::resident_memory::resident_bytes;
use super::scheduler::{EndCause, InstanceId};
use super::state::{PoolEnd, PoolShared, SupervisorCommand};
use crate::driver::Driver;
use crate::host::starter::Starter;
use crate::host::supervisor::{StopRequest, SupervisorHandle, WorkerExit, launch};
use crate::{Link, Status};

/// Interval at which the memory of workers is measured, if there is a memory limit.
const MEMORY_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Time that a caller gets to make a call again whose worker ended before it was sent, while the
/// pool drains. A caller that is not polled must not keep a pool from ending.
const UNSENT_GRACE: Duration = Duration::from_secs(1);

type StartResult<D, C> = Result<SupervisorHandle<<D as Driver>::Running, C>, Error>;
type StartFuture<D, C> =
    Pin<Box<dyn Future<Output = (InstanceId, (usize, Link<C>), StartResult<D, C>)> + Send>>;
/// Completes when a worker announces its end. `None` if it has ended without.
type LeaveFuture = Pin<Box<dyn Future<Output = Option<InstanceId>> + Send>>;
type EndFuture = Pin<Box<dyn Future<Output = (InstanceId, WorkerExit)> + Send>>;

/// Reports to the scheduler that permits of a worker were released, or that calls were given up or
/// have ended.
struct PermitListener<C: Codec> {
    shared: Weak<PoolShared<C>>,
    /// Slot of the worker, once it takes calls.
    slot: Arc<AtomicUsize>,
}

impl<C: Codec> Wake for PermitListener<C> {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.permit_released(self.slot.load(Ordering::Acquire));
        }
    }
}

/// A worker that has come up.
struct RunningWorker<D: Driver, C: Codec> {
    pid: Option<u32>,
    control: Arc<SupervisorHandle<D::Running, C>>,
}

pub(super) struct PoolSupervisor<D: Driver, C: Codec, T: Transport> {
    shared: Arc<PoolShared<C>>,
    starter: Arc<Starter<D, C, T>>,
    ids: Arc<dyn TxIdGenerator>,
    workers: HashMap<InstanceId, RunningWorker<D, C>>,
    starting: FuturesUnordered<StartFuture<D, C>>,
    leaving: FuturesUnordered<LeaveFuture>,
    ending: FuturesUnordered<EndFuture>,
    stop: watch::Receiver<StopRequest>,
    /// Number of workers for which `PoolBuilder::spawn` waits, and the sender that ends its wait.
    ready: Option<(usize, oneshot::Sender<Result<(), Error>>)>,
    checks_memory: bool,
    /// Number of workers that did not end in time and were killed.
    killed: usize,
}

impl<D: Driver, C: Codec, T: Transport> PoolSupervisor<D, C, T> {
    pub(super) fn new(
        shared: Arc<PoolShared<C>>,
        starter: Arc<Starter<D, C, T>>,
        ids: Arc<dyn TxIdGenerator>,
        ready: (usize, oneshot::Sender<Result<(), Error>>),
        checks_memory: bool,
    ) -> Self {
        Self {
            stop: shared.stop.subscribe(),
            shared,
            starter,
            ids,
            workers: HashMap::new(),
            starting: FuturesUnordered::new(),
            leaving: FuturesUnordered::new(),
            ending: FuturesUnordered::new(),
            ready: Some(ready),
            checks_memory,
            killed: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let mut memory_check = interval(MEMORY_CHECK_INTERVAL);
        let mut stop = StopRequest::None;
        let mut unsent_until = None;
        while stop < StopRequest::Close {
            let mut wake = self.run_commands();
            self.shared.publish_stats();
            if stop == StopRequest::Drain && self.shared.is_idle() {
                let late = *unsent_until.get_or_insert_with(|| Instant::now() + UNSENT_GRACE);
                if !self.shared.has_unsent() || late <= Instant::now() {
                    break;
                }
                wake = Some(wake.map_or(late, |wake| wake.min(late)));
            } else {
                unsent_until = None;
            }
            tokio::select! {
                biased;
                Ok(()) = self.stop.changed() => {
                    stop = *self.stop.borrow_and_update();
                    self.shared.update(|state| state.scheduler.drain(Instant::now()));
                }
                Some((id, ending)) = self.ending.next() => self.ended(id, ending),
                Some(left) = self.leaving.next() => if let Some(id) = left {
                    self.shared.update(|state| state.scheduler.leaving(id, Instant::now()));
                },
                Some((id, link, result)) = self.starting.next() => self.started(id, link, result),
                () = self.shared.notify.notified() => {}
                _ = memory_check.tick(), if self.checks_memory => self.check_memory(),
                () = woken_at(wake) => {}
            }
        }
        self.close().await;
    }

    /// Polls the scheduler and runs its commands. Returns the time of the next poll.
    fn run_commands(&mut self) -> Option<Instant> {
        let (commands, wake) = self.shared.update(|state| {
            let wake = state.scheduler.poll(Instant::now());
            (std::mem::take(&mut state.commands), wake)
        });
        // `update` adds the commands of this poll after the closure returns.
        let more = std::mem::take(&mut self.shared.lock().commands);
        for command in commands.into_iter().chain(more) {
            match command {
                SupervisorCommand::Start(id) => {
                    let (starter, ids) = (Arc::clone(&self.starter), Arc::clone(&self.ids));
                    let (index, link) = self.shared.links.unused(|| starter.link(ids));
                    self.starting.push(Box::pin(async move {
                        let result = launch(&starter, link.clone()).await;
                        (id, (index, link), result)
                    }));
                }
                SupervisorCommand::Retire(id) => {
                    if let Some(worker) = self.workers.get(&id) {
                        // Drain instead of close: sent oneway messages may still be unread.
                        worker.control.stop(StopRequest::Drain);
                    }
                }
                SupervisorCommand::Discard(id) => {
                    if let Some(RunningWorker { pid, control }) = self.workers.get(&id) {
                        tracing::debug!(pid, "killing a worker of a pool whose session was not given back");
                        control.stop(StopRequest::Kill);
                    }
                }
                SupervisorCommand::Kill(id) => {
                    if let Some(RunningWorker { pid, control }) = self.workers.get(&id) {
                        tracing::warn!(
                            pid,
                            "killing a worker of a pool that did not end a cancelled call in time"
                        );
                        control.stop(StopRequest::KillHung);
                    }
                }
            }
        }
        wake
    }

    fn started(&mut self, id: InstanceId, (index, link): (usize, Link<C>), result: StartResult<D, C>) {
        let now = Instant::now();
        match result {
            Ok(control) => {
                let pid = control.identity().pid.into();
                let control = Arc::new(control);
                self.workers.insert(id, RunningWorker { pid, control: Arc::clone(&control) });
                let mut status = control.status().clone();
                self.leaving.push(Box::pin(async move {
                    status.wait_for(|status| *status == Status::Closing).await.ok().map(|_| id)
                }));
                self.ending.push(Box::pin(async move { (id, control.exit().await) }));
                let slot = Arc::default();
                let listener =
                    PermitListener { shared: Arc::downgrade(&self.shared), slot: Arc::clone(&slot) };
                link.set_permit_listener(Arc::new(listener).into(), self.shared.contention.flag());
                let active = self.shared.update(|state| {
                    state.scheduler.started(id, WorkerHandle { id, link, index, pid, slot }, now);
                    state.scheduler.active()
                });
                if let Some((_, ready)) = self.ready.take_if(|(min, _)| *min <= active) {
                    let _ = ready.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::warn!("could not start a worker of a pool: {error:#}");
                if let Some((_, ready)) = self.ready.take() {
                    let _ = ready.send(Err(error.clone()));
                }
                self.shared.update(|state| {
                    state.failed(state.scheduler.slot_of(id), error);
                    state.scheduler.start_failed(id, now);
                });
            }
        }
    }

    fn ended(&mut self, id: InstanceId, ending: WorkerExit) {
        self.workers.remove(&id);
        self.killed += usize::from(ending.killed_after_grace);
        let cause = match ending.reason {
            ExitReason::Exited(0) => EndCause::Normal,
            ExitReason::Overran | ExitReason::Hung => EndCause::Overran,
            ExitReason::Unresponsive => EndCause::Unresponsive,
            _ => EndCause::Crashed,
        };
        if let Some(crash) = &ending.crash {
            // Before the lock is taken: a subscriber is user code, and may ask the pool for its
            // statistics.
            tracing::warn!(pid = crash.pid, reason = %crash.reason, "a worker of a pool ended unexpectedly");
        }
        self.shared.update(|state| {
            if let Some(crash) = ending.crash {
                let error = Error::crashed(crash);
                if let Some(session) = state.sessions.get(&id) {
                    session.set(&error);
                }
                state.failed(state.scheduler.slot_of(id), error);
            }
            state.scheduler.ended(id, cause, Instant::now());
        });
    }

    fn check_memory(&self) {
        let memory = self.workers.iter().filter_map(|(id, worker)| Some((*id, resident_bytes(worker.pid?)?)));
        // Collected before `update` takes the lock, because the measurement reads files.
        let memory: Vec<_> = memory.collect();
        self.shared.update(|state| {
            for (id, bytes) in memory {
                state.scheduler.memory_measured(id, bytes);
            }
        });
    }

    /// Ends all workers. Returns when they are gone.
    async fn close(mut self) {
        self.shared.update(|state| state.scheduler.close());
        // Dropping the futures kills workers that are still starting.
        self.starting.clear();
        loop {
            let stop = (*self.stop.borrow_and_update()).max(StopRequest::Drain);
            self.workers.values().for_each(|worker| worker.control.stop(stop));
            // A worker that drains may be hung.
            let wake = self.run_commands();
            tokio::select! {
                ended = self.ending.next() => match ended {
                    Some((id, ending)) => self.ended(id, ending),
                    None => break,
                },
                Ok(()) = self.stop.changed() => {}
                () = self.shared.notify.notified() => {}
                () = woken_at(wake) => {}
            }
        }
        self.shared.end.send_replace(Some(PoolEnd::Closed { killed: self.killed }));
        self.shared.stats.send_replace(self.shared.stats());
    }
}

async fn woken_at(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl<D: Driver, C: Codec, T: Transport> Drop for PoolSupervisor<D, C, T> {
    /// Ends every call and worker, unless the pool has ended before.
    fn drop(&mut self) {
        let shared = &*self.shared;
        if shared.end().is_some() {
            return;
        }
        let is_panic = std::thread::panicking();
        // Set first, because the errors depend on it.
        shared.end.send_replace(Some(if is_panic { PoolEnd::Panicked } else { PoolEnd::RuntimeGone }));
        shared.update(|state| state.scheduler.abandon());
        shared.links.fail(|name| lost_in_flight(shared, name));
        // If only this task is gone, the supervisors of the workers still run.
        self.workers.values().for_each(|worker| worker.control.stop(StopRequest::Kill));
        shared.stats.send_replace(shared.stats());
    }
}
