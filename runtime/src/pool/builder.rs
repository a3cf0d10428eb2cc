use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, Limits, Schema, TxIdGenerator};
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{DefaultTransport, Transport};
use serde::Serialize;
use tokio::sync::oneshot;

use super::owner::Owner;
use super::rules::{Recycle, Rules};
use super::shared::Shared;
use super::{Dispatch, Pool, Restart, WhenFull};
use crate::driver::Driver;
use crate::host::builder::Builder;
use crate::{Heartbeat, OnCrash, OnTimeout, Program, Timeouts};

/// A pool about to be started: [`Pool::builder`].
///
/// The defaults: as many workers as the machine runs threads at once, one call at a time in each, a queue of 1024 calls
/// and those beyond wait for room, all workers are started again when they end, none is recycled; for the rest, those
/// of [`Builder`].
#[must_use = "nothing is started until `spawn`"]
#[derive(Debug)]
pub struct PoolBuilder<D = Program, C = DefaultCodec, T = DefaultTransport, L = NoLayers> {
    worker: Builder<D, C, T, L>,
    settings: Settings,
}

#[derive(Debug)]
struct Settings {
    min: usize,
    max: usize,
    max_in_flight: u32,
    queue: (usize, WhenFull),
    queue_timeout: Duration,
    restart: Restart,
    restart_limit: Option<(u32, Duration)>,
    spawn_rate: Option<(u32, Duration)>,
    idle_timeout: Duration,
    recycle: Recycle,
}

impl<D: Driver> PoolBuilder<D, DefaultCodec, D::Transport> {
    pub(super) fn new(driver: D) -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            min: workers,
            max: workers,
            max_in_flight: 1,
            queue: (1024, WhenFull::default()),
            queue_timeout: Duration::ZERO,
            restart: Restart::default(),
            restart_limit: None,
            spawn_rate: None,
            idle_timeout: Duration::from_secs(60),
            recycle: Recycle::default(),
        };
        Self { worker: Builder::new(driver), settings }
    }
}

impl<D, C, T, L> PoolBuilder<D, C, T, L> {
    /// Sets how many workers there are, always. Default: as many as the machine runs threads at once.
    pub fn workers(self, workers: usize) -> Self {
        self.size(workers..=workers)
    }

    /// Sets how many workers there are at least and at most. One is started where a call would wait otherwise, and ended
    /// when it was idle for [`idle_timeout`](Self::idle_timeout). The least may be 0.
    pub fn size(mut self, size: RangeInclusive<usize>) -> Self {
        (self.settings.min, self.settings.max) = (*size.start(), *size.end());
        self
    }

    /// Sets how many calls a worker has at once. Default: 1, so that a crash or a kill costs no other call.
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.settings.max_in_flight = calls;
        self
    }

    /// Sets how many calls may wait for a worker, and what happens to those beyond. Default: 1024 and
    /// [`WhenFull::Wait`].
    pub fn queue(mut self, calls: usize, when_full: WhenFull) -> Self {
        self.settings.queue = (calls, when_full);
        self
    }

    /// Sets how long a call may wait for a worker; then it fails with [`Timeout`](ErrorKind::Timeout), and was not run.
    /// The time for the message itself ([`Timeouts::message`]) begins only when a worker has it. Default: zero, which
    /// is no limit.
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.settings.queue_timeout = limit;
        self
    }

    /// Sets which workers are started again when they end. Default: [`Restart::Permanent`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.settings.restart = restart;
        self
    }

    /// Sets how many workers may end unexpectedly, or not come up, within `period`. Past it, workers are started one at
    /// a time and ever less often, and calls that none of those that are left can have fail with
    /// [`Crashed`](ErrorKind::Crashed), which tells how the last one ended, until one comes up. Default: 5 for each
    /// worker, within 10 s.
    pub fn restart_limit(mut self, ends: u32, period: Duration) -> Self {
        self.settings.restart_limit = Some((ends, period));
        self
    }

    /// Sets how many workers may be started within `period`, for whatever reason. Default: twice as many as there may
    /// be and 8 at least, within 1 s.
    pub fn spawn_rate(mut self, starts: u32, period: Duration) -> Self {
        self.settings.spawn_rate = Some((starts, period));
        self
    }

    /// Sets how long a worker beyond the fewest stays without a call; up to twice as long where it had one shortly
    /// before. Default: 1 min; zero is for ever.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings.idle_timeout = limit;
        self
    }

    /// Replaces each worker after so many calls, or up to a tenth fewer, so that not all are replaced at once. The fresh
    /// one is there before the old one goes, which finishes what it is at; one after the other. Default: never.
    pub fn recycle_after(mut self, calls: u64) -> Self {
        self.settings.recycle.calls = calls;
        self
    }

    /// Replaces each worker in the same way when it is so old, or up to a tenth younger. Default: never.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.recycle.age = age;
        self
    }

    /// Replaces each worker in the same way when its process has so many resident bytes, or up to a tenth fewer; looked
    /// at every 500 ms, on Linux. Default: never.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.settings.recycle.memory = bytes;
        self
    }

    /// As [`Builder::timeouts`].
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { worker: self.worker.timeouts(timeouts), ..self }
    }

    /// As [`Builder::limits`].
    pub fn limits(self, limits: Limits) -> Self {
        Self { worker: self.worker.limits(limits), ..self }
    }

    /// Sets how often calls are made again that were in flight when their worker died, and how long to wait before a
    /// worker is started in place of one that died young. Which workers are started again at all, [`Restart`] says.
    /// Default: [`OnCrash::reject`], so that only messages are made again that say so themselves.
    pub fn on_crash(self, policy: OnCrash) -> Self {
        Self { worker: self.worker.on_crash(policy), ..self }
    }

    /// As [`Builder::on_timeout`]. With [`OnTimeout::Kill`] the one worker is replaced that the call was in. A handler
    /// that never awaits blocks its worker without it, also for the calls that come after.
    pub fn on_timeout(self, policy: OnTimeout) -> Self {
        Self { worker: self.worker.on_timeout(policy), ..self }
    }

    /// As [`Builder::heartbeat`].
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self { worker: self.worker.heartbeat(heartbeat), ..self }
    }

    /// As [`Builder::ids`].
    pub fn ids(self, ids: impl TxIdGenerator) -> Self {
        Self { worker: self.worker.ids(ids), ..self }
    }

    /// As [`Builder::startup_data`], for each worker.
    pub fn startup_data(self, data: impl Serialize + Send + 'static) -> Self {
        Self { worker: self.worker.startup_data(data), ..self }
    }

    /// As [`Builder::service`].
    pub fn service(self, schema: Schema) -> Self {
        Self { worker: self.worker.service(schema), ..self }
    }

    /// As [`Builder::codec`].
    pub fn codec<C2: Codec>(self, codec: C2) -> PoolBuilder<D, C2, T, L> {
        PoolBuilder { worker: self.worker.codec(codec), settings: self.settings }
    }

    /// As [`Builder::transport`].
    pub fn transport<T2: Transport>(self, transport: T2) -> PoolBuilder<D, C, T2, L> {
        PoolBuilder { worker: self.worker.transport(transport), settings: self.settings }
    }

    /// Adds a middleware around the calls to the pool; the wait for a worker is within it. The first one added sees a
    /// request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> PoolBuilder<D, C, T, Stack<L, M>>
    where
        L: Layers,
    {
        PoolBuilder { worker: self.worker.layer(middleware), settings: self.settings }
    }
}

impl<D: Driver, C: Codec, T: Transport, L: Layers> PoolBuilder<D, C, T, L> {
    /// Starts the fewest workers, at the same time, and waits until all are ready for calls. Must be called within a
    /// tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// Those of [`Builder::spawn`], of the first worker that does not come up. Nothing is left behind then, nor when
    /// the future is dropped.
    pub async fn spawn(self) -> Result<Pool<L::Service<Dispatch<C>>>, Error> {
        self.settings.check()?;
        let Self { mut worker, settings } = self;
        // It is the pool that replaces workers.
        worker.settings.on_crash = worker.settings.on_crash.never_respawn();
        let (starter, layers, ids) = worker.into_parts()?;
        let rules = settings.rules(starter.settings.on_crash);
        let shared = Arc::new(Shared::new(&starter, &rules, settings.queue_timeout));
        let (ready, is_ready) = oneshot::channel();
        let watches_memory = rules.recycle.memory > 0;
        let pool = Pool::new(layers.wrap(Dispatch(Arc::clone(&shared))), Arc::clone(&shared));
        tokio::spawn(Owner::new(shared, starter, ids, (rules.min, ready), watches_memory).run());
        if rules.min > 0 {
            let is_up = is_ready.await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Closed, "the pool was closed while it was started"))
            });
            if let Err(error) = is_up {
                pool.kill();
                pool.closed().await;
                return Err(error);
            }
        }
        Ok(pool)
    }
}

impl Settings {
    fn check(&self) -> Result<(), Error> {
        let wrong = if self.max == 0 || self.min > self.max {
            format!(
                "a pool of {} to {} workers; it must be one at least, and no fewer at most",
                self.min, self.max
            )
        } else if self.max_in_flight == 0 {
            "`max_in_flight` is 0, and no call would ever run; it must be one at least".to_owned()
        } else if self.spawn_rate.is_some_and(|(starts, _)| starts == 0) {
            "`spawn_rate` is 0, and no worker would ever be started; it must be one at least".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Config, wrong))
    }

    fn rules(&self, on_crash: OnCrash) -> Rules {
        let workers = u32::try_from(self.max).unwrap_or(u32::MAX);
        let (queue, when_full) = self.queue;
        Rules {
            min: self.min,
            max: self.max,
            max_in_flight: self.max_in_flight,
            queue,
            when_full,
            restart: self.restart,
            restart_limit: self.restart_limit.unwrap_or((workers.saturating_mul(5), Duration::from_secs(10))),
            spawn_rate: self.spawn_rate.unwrap_or((workers.saturating_mul(2).max(8), Duration::from_secs(1))),
            on_crash,
            idle_timeout: self.idle_timeout,
            recycle: self.recycle,
        }
    }
}
