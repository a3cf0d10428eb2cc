//! Builder of a pool.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, Limits, Schema, TxIdGenerator};
use isolated_workers_middleware::{Handler, Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{DefaultTransport, Transport};
use serde::Serialize;
use tokio::sync::oneshot;

use super::call_errors::pool_ended;
use super::config::{PoolConfig, RecycleLimits};
use super::state::PoolShared;
use super::supervisor::PoolSupervisor;
use super::{Dispatch, Pool, Restart, WhenFull};
use crate::driver::Driver;
use crate::host::builder::Builder;
use crate::host::callbacks::{HostHandler, NoCallbacks};
use crate::host::settings::HostSettings;
use crate::timeouts::check_duration;
use crate::{Heartbeat, Latency, OnCrash, OnTimeout, Program, Timeouts};

/// Builder of a [`Pool`], created by [`Pool::builder`].
///
/// Defaults: one worker per available CPU
/// ([`available_parallelism`](std::thread::available_parallelism)), one call at a time in each
/// worker, and a queue of 1024 calls with backpressure. Workers that end are replaced, and none is
/// recycled. Other defaults are those of [`Builder`].
#[must_use = "no worker is started until `spawn` is called"]
#[derive(Debug)]
pub struct PoolBuilder<D = Program, C = DefaultCodec, T = DefaultTransport, L = NoLayers, H = NoCallbacks> {
    worker: Builder<D, C, T, L, H>,
    options: PoolOptions,
}

/// Maximum number of workers. Each has a slot, which takes memory and is visited by some calls.
const MAX_WORKERS: usize = 10_000;

/// Options as they were set. [`PoolConfig`] has the defaults filled in.
#[derive(Debug)]
struct PoolOptions {
    min: usize,
    max: usize,
    spares: usize,
    max_in_flight: u32,
    queue: (usize, WhenFull),
    queue_timeout: Duration,
    restart: Restart,
    restart_limit: Option<(u32, Duration)>,
    spawn_rate: Option<(u32, Duration)>,
    idle_timeout: Duration,
    recycle: RecycleLimits,
}

impl<D: Driver> PoolBuilder<D, DefaultCodec, D::Transport> {
    pub(super) fn new(driver: D) -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let options = PoolOptions {
            min: workers,
            max: workers,
            spares: 0,
            max_in_flight: 1,
            queue: (1024, WhenFull::default()),
            queue_timeout: Duration::ZERO,
            restart: Restart::default(),
            restart_limit: None,
            spawn_rate: None,
            idle_timeout: Duration::from_secs(60),
            recycle: RecycleLimits::default(),
        };
        Self { worker: Builder::new(driver), options }
    }
}

impl<D, C, T, L, H> PoolBuilder<D, C, T, L, H> {
    /// Sets a fixed number of workers. Default:
    /// [`available_parallelism`](std::thread::available_parallelism).
    pub fn workers(self, workers: usize) -> Self {
        self.size(workers..=workers)
    }

    /// Sets the minimum and maximum number of workers. The minimum may be 0, and the maximum is
    /// between 1 and 10,000.
    ///
    /// A worker above the minimum is started if a call would have to wait, and ends after it has
    /// been idle for [`idle_timeout`](Self::idle_timeout).
    pub fn size(mut self, size: RangeInclusive<usize>) -> Self {
        (self.options.min, self.options.max) = (*size.start(), *size.end());
        self
    }

    /// Keeps this number of warm workers beside the others. Default: 0. The maximum is 10,000.
    ///
    /// A spare has come up and takes no calls. It takes the place of a worker that crashed, was
    /// killed or hung, is replaced, or is started because calls wait, so that nothing waits for a
    /// start. Another spare is then started, within the limits of all starts.
    ///
    /// Spares do not count towards the [`size`](Self::size), do not end because they are idle, and
    /// are replaced at their [`max_age`](Self::max_age) and by
    /// [`Pool::reload`](crate::Pool::reload). They are started once the other workers are up:
    /// [`spawn`](Self::spawn) does not wait for them. A spare that ends or does not come up counts
    /// towards the [`restart_limit`](Self::restart_limit), and is replaced whatever [`Restart`]
    /// says.
    pub fn spare(mut self, workers: usize) -> Self {
        self.options.spares = workers;
        self
    }

    /// Sets the maximum number of calls in flight in one worker, at least 1. Default: 1, so that a
    /// crash or a kill affects no other call.
    ///
    /// A call with streams counts until its last item was sent, and items are sent only as they are
    /// taken. A call in a loop over a stream of the same pool may therefore wait for that stream.
    ///
    /// A call that is dropped or times out counts until its handler has ended, because a handler
    /// that blocks or computes cannot be stopped. A worker whose handler has not ended
    /// [`Timeouts::cancel`](crate::Timeouts::cancel) after the cancel is hung, and is killed and
    /// replaced. Oneway messages do not count.
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.options.max_in_flight = calls;
        self
    }

    /// Sets the maximum number of calls that wait for a worker, and what happens to further calls.
    /// Default: 1024 and [`WhenFull::Wait`]. With 0, a call that finds no free worker is a further
    /// call.
    pub fn queue(mut self, calls: usize, when_full: WhenFull) -> Self {
        self.options.queue = (calls, when_full);
        self
    }

    /// Sets the time after which a queued call fails with [`Timeout`](ErrorKind::Timeout) without
    /// having run. Default: zero, which means no limit.
    ///
    /// The timeout of the message itself ([`Timeouts::message`]) starts when the call is sent to a
    /// worker.
    pub fn queue_timeout(mut self, limit: Duration) -> Self {
        self.options.queue_timeout = limit;
        self
    }

    /// Sets which workers are replaced after they end. Default: [`Restart::Permanent`].
    pub fn restart(mut self, restart: Restart) -> Self {
        self.options.restart = restart;
        self
    }

    /// Sets the number of workers that may end unexpectedly or fail to start within `period`.
    /// Default: 5 for each worker, within 10 s.
    ///
    /// Beyond this limit, workers are started one at a time with a growing backoff. Until one comes
    /// up, calls for which no worker is left fail with [`Crashed`](ErrorKind::Crashed). The error
    /// includes the last failure. `ends` also limits the failed starts in a row, whatever the
    /// period.
    pub fn restart_limit(mut self, ends: u32, period: Duration) -> Self {
        self.options.restart_limit = Some((ends, period));
        self
    }

    /// Sets the number of workers that may be started within `period`, for any reason. At least 1.
    /// Default: twice the maximum number of workers, spares included, and at least 8, within 1 s. A
    /// `period` of zero sets no limit.
    pub fn spawn_rate(mut self, starts: u32, period: Duration) -> Self {
        self.options.spawn_rate = Some((starts, period));
        self
    }

    /// Sets the time after which an idle worker above the minimum ends. At most twice this time
    /// passes between the worker's last call and its end. Default: 1 min. Zero means never.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.options.idle_timeout = limit;
        self
    }

    /// Replaces each worker after about this number of calls. Default: 0, which means never.
    ///
    /// The limit of each worker is lowered by up to a tenth at random, so that not all are replaced
    /// together. Workers are replaced one at a time. The new worker is up before the old one is
    /// drained, so no call waits for it. Until then, the old worker takes further calls. Use
    /// [`max_calls`](Self::max_calls) for a strict limit.
    pub fn recycle_after(mut self, calls: u64) -> Self {
        self.options.recycle.calls = calls;
        self
    }

    /// Limits the number of calls that each worker starts, exactly. Default: 0, which means no
    /// limit.
    ///
    /// After its last call the worker ends. If calls wait, or fewer workers than the minimum are
    /// left, another one is started, and calls wait for its start. 1 gives each call a process of
    /// its own. A call that is sent again after a crash counts again, and so does a call that was
    /// dropped before it was sent.
    pub fn max_calls(mut self, calls: u64) -> Self {
        self.options.recycle.max_calls = calls;
        self
    }

    /// Replaces each worker at this age, in the same way as [`recycle_after`](Self::recycle_after).
    /// Default: zero, which means never.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.options.recycle.age = age;
        self
    }

    /// Replaces each worker if its resident memory exceeds this number of bytes, in the same way as
    /// [`recycle_after`](Self::recycle_after). Memory is measured every 500 ms, only on Linux.
    /// Default: 0, which means never.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.options.recycle.memory_bytes = bytes;
        self
    }

    /// Sets the timeouts of each worker, as [`Builder::timeouts`] does.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { worker: self.worker.timeouts(timeouts), ..self }
    }

    /// Sets the limits of each connection, as [`Builder::limits`] does.
    pub fn limits(self, limits: Limits) -> Self {
        Self { worker: self.worker.limits(limits), ..self }
    }

    /// Sets how often a call is retried if its worker crashes, and the backoff before a crashed
    /// worker is replaced. [`Restart`] decides which workers are replaced. Default:
    /// [`OnCrash::reject`], which retries only messages that opt in.
    pub fn on_crash(self, policy: OnCrash) -> Self {
        Self { worker: self.worker.on_crash(policy), ..self }
    }

    /// Sets the policy for timeouts, as [`Builder::on_timeout`] does. [`OnTimeout::Kill`] replaces
    /// the worker in which the call timed out at once. [`OnTimeout::Cancel`], the default, gives
    /// its handler [`Timeouts::cancel`](crate::Timeouts::cancel) to end. With
    /// [`OnTimeout::Abandon`], the handler may take as long as it likes, and the call counts
    /// towards [`max_in_flight`](Self::max_in_flight) until then.
    pub fn on_timeout(self, policy: OnTimeout) -> Self {
        Self { worker: self.worker.on_timeout(policy), ..self }
    }

    /// Confines each worker, as [`Builder::sandbox`] does.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(self, sandbox: crate::sandbox::Sandbox) -> Self {
        Self { worker: self.worker.sandbox(sandbox), ..self }
    }

    /// Sets the heartbeat of each worker, as [`Builder::heartbeat`] does.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self { worker: self.worker.heartbeat(heartbeat), ..self }
    }

    /// Sets the time for which the host looks for an answer of a worker before its thread sleeps,
    /// as [`Builder::latency`] does.
    pub fn latency(self, latency: Latency) -> Self {
        Self { worker: self.worker.latency(latency), ..self }
    }

    /// Lets calls carry open descriptors, as [`Builder::descriptors`] does.
    pub fn descriptors(self) -> Self {
        Self { worker: self.worker.descriptors(), ..self }
    }

    /// Sets the generator of call ids, as [`Builder::ids`] does.
    pub fn ids(self, ids: impl TxIdGenerator) -> Self {
        Self { worker: self.worker.ids(ids), ..self }
    }

    /// Sets the startup data that each worker receives, as [`Builder::startup_data`] does.
    pub fn startup_data(self, data: impl Serialize + Send + 'static) -> Self {
        Self { worker: self.worker.startup_data(data), ..self }
    }

    /// Sets the expected schema of each worker, as [`Builder::service`] does.
    pub fn service(self, schema: Schema) -> Self {
        Self { worker: self.worker.service(schema), ..self }
    }

    /// Sets the codec, as [`Builder::codec`] does.
    pub fn codec<C2: Codec>(self, codec: C2) -> PoolBuilder<D, C2, T, L, H> {
        PoolBuilder { worker: self.worker.codec(codec), options: self.options }
    }

    /// Sets the transport, as [`Builder::transport`] does.
    pub fn transport<T2: Transport>(self, transport: T2) -> PoolBuilder<D, C, T2, L, H> {
        PoolBuilder { worker: self.worker.transport(transport), options: self.options }
    }

    /// Adds middleware around the pool's calls, including their wait for a worker. The first layer
    /// added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> PoolBuilder<D, C, T, Stack<L, M>, H>
    where
        L: Layers,
    {
        PoolBuilder { worker: self.worker.layer(middleware), options: self.options }
    }

    /// Serves `handler` to each worker, as [`Builder::serve`] does.
    ///
    /// A call that the handler makes to the same pool needs a free permit: if there is none, it
    /// fails with [`WouldDeadlock`](ErrorKind::WouldDeadlock), because the call that it belongs to
    /// holds one and cannot end before.
    pub fn serve<H2: Handler>(self, handler: H2) -> PoolBuilder<D, C, T, L, H2> {
        PoolBuilder { worker: self.worker.serve(handler), options: self.options }
    }
}

impl<D: Driver, C: Codec, T: Transport, L: Layers, H: HostHandler> PoolBuilder<D, C, T, L, H> {
    /// Starts the minimum number of workers concurrently, and waits until all are ready for calls.
    /// Dropping the future ends the workers.
    ///
    /// # Errors
    /// - [`Config`](ErrorKind::Config) if a setting is not in its valid range: the number of
    ///   workers, `max_in_flight` or the number of starts in `spawn_rate` is 0, the number of
    ///   workers or spares is above 10,000 or its minimum above its maximum, or a duration is
    ///   longer than ten years.
    /// - The error of [`Builder::spawn`] for the first worker that does not come up. All other
    ///   workers are then ended.
    ///
    /// # Panics
    /// If it is not called within a tokio runtime with I/O and time enabled.
    pub async fn spawn(self) -> Result<Pool<L::Service<Dispatch<C>>>, Error> {
        self.options.check()?;
        let Self { mut worker, options } = self;
        // The pool replaces workers, so their own supervisors must not.
        worker.settings.on_crash = worker.settings.on_crash.never_respawn();
        let (starter, layers, ids) = worker.into_parts()?;
        let config = options.resolve(&starter.settings);
        let shared = Arc::new(PoolShared::new(&starter, &config, options.queue_timeout));
        let (ready, is_ready) = oneshot::channel();
        let checks_memory = config.recycle.memory_bytes > 0;
        let pool = Pool::new(layers.wrap(Dispatch(Arc::clone(&shared))), Arc::clone(&shared));
        let ready = (config.min, ready);
        tokio::spawn(PoolSupervisor::new(Arc::clone(&shared), starter, ids, ready, checks_memory).run());
        if config.min > 0 {
            let is_up = is_ready.await.unwrap_or_else(|_| Err(pool_ended(&shared, "start")));
            if let Err(error) = is_up {
                pool.kill();
                pool.closed().await;
                return Err(error);
            }
        }
        Ok(pool)
    }
}

impl PoolOptions {
    fn check(&self) -> Result<(), Error> {
        let problem = if self.max == 0 || self.min > self.max || self.max > MAX_WORKERS {
            format!(
                "invalid pool size {}..={}: the maximum must be between 1 and {MAX_WORKERS}, and not below the \
                 minimum",
                self.min, self.max
            )
        } else if self.spares > MAX_WORKERS {
            format!("invalid `spare` of {} workers: the maximum is {MAX_WORKERS}", self.spares)
        } else if self.max_in_flight == 0 {
            "`max_in_flight` is 0: no call would ever run; set it to at least 1".to_owned()
        } else if self.spawn_rate.is_some_and(|(starts, _)| starts == 0) {
            "`spawn_rate` is 0: no worker would ever start; set it to at least 1".to_owned()
        } else {
            return self.check_durations();
        };
        Err(Error::new(ErrorKind::Config, problem))
    }

    fn check_durations(&self) -> Result<(), Error> {
        let period = |rate: Option<(u32, Duration)>| rate.map_or(Duration::ZERO, |(_, period)| period);
        check_duration("PoolBuilder::queue_timeout", self.queue_timeout, Some("no limit"))?;
        check_duration("PoolBuilder::idle_timeout", self.idle_timeout, Some("never"))?;
        check_duration("PoolBuilder::max_age", self.recycle.age, Some("never"))?;
        check_duration("PoolBuilder::restart_limit", period(self.restart_limit), None)?;
        check_duration("PoolBuilder::spawn_rate", period(self.spawn_rate), Some("no limit"))
    }

    fn resolve(&self, worker: &HostSettings) -> PoolConfig {
        let workers = u32::try_from(self.max).unwrap_or(u32::MAX);
        let with_spares = workers.saturating_add(u32::try_from(self.spares).unwrap_or(u32::MAX));
        let (queue, when_full) = self.queue;
        PoolConfig {
            min: self.min,
            max: self.max,
            spares: self.spares,
            max_in_flight: self.max_in_flight,
            queue,
            when_full,
            restart: self.restart,
            restart_limit: self.restart_limit.unwrap_or((workers.saturating_mul(5), Duration::from_secs(10))),
            spawn_rate: self
                .spawn_rate
                .unwrap_or((with_spares.saturating_mul(2).max(8), Duration::from_secs(1))),
            on_crash: worker.on_crash,
            idle_timeout: self.idle_timeout,
            cancel_timeout: worker.timeouts.cancel,
            hung_timeout: worker.timeouts.drain,
            recycle: self.recycle,
        }
    }
}
