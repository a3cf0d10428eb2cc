//! Pool of workers behind one service.
//!
//! A call goes through [`Pool`], its middleware, and [`Dispatch`], which sends it to a worker.
//! [`scheduler`] makes all decisions. [`supervisor`] starts and ends the workers. [`fast_path`] is
//! an optimization.

mod builder;
mod call_errors;
mod call_options;
mod checkout;
mod checkout_state;
mod config;
mod dispatch;
mod fast_path;
mod map;
mod queue_waiter;
mod queued_checkout;
mod resident_memory;
mod scheduler;
mod scoped;
mod session;
mod state;
mod stats;
mod supervisor;
mod waiting_call;

use std::fmt;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::{Either, join_all};
use futures_util::stream::{self, Stream};
use futures_util::{FutureExt, StreamExt};
use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers_core::{CallError, Error, ErrorKind, Message, Request, Response};
use isolated_workers_middleware::{BoxService, Service, call_chain, client};
use isolated_workers_transport::Transport;
use tokio::sync::watch;

pub use self::builder::PoolBuilder;
use self::call_errors::pool_ended;
use self::call_options::CallOptions;
pub use self::checkout::Checkout;
pub use self::config::{Restart, WhenFull};
pub use self::dispatch::Dispatch;
pub use self::map::{Map, MapProgress};
pub use self::scoped::ScopedPool;
use self::state::{PoolEnd, PoolShared};
pub use self::stats::{QueueStats, SpareStats, Stats, WorkerStats};
use crate::Lifecycle;
use crate::driver::{Driver, IntoDriver};
use crate::host::attempts::Attempts;
use crate::host::supervisor::StopRequest;

/// Pool of workers that run the same program, behind one [`Service`].
///
/// A call runs in the worker with the fewest calls, or waits in a queue until a worker is free.
///
/// If a worker crashes, its calls fail, or are retried if their messages allow it, and the worker
/// is replaced. If workers keep crashing, they are respawned with a growing backoff. Beyond a
/// limit, calls fail with an error that names the cause.
///
/// Cloning is cheap, and all clones refer to the same pool. The pool closes when the last clone is
/// dropped. Its tasks run on the runtime on which it was built. If that runtime is shut down, the
/// workers are killed and all calls fail with [`Closed`](ErrorKind::Closed).
///
/// ```no_run
/// # use isolated_workers_runtime::{OnCrash, Pool, Program};
/// # use std::time::Duration;
/// # async fn example() -> Result<(), isolated_workers_core::Error> {
/// let pool = Pool::builder(Program::new("./thumbnailer"))
///     .workers(4)
///     .on_crash(OnCrash::retry(2))
///     .recycle_after(1000)
///     .spawn()
///     .await?;
/// // `ThumbnailerClient::new(pool.clone())` calls it, and so does
/// // `ThumbnailerClient::new(pool.with_key("user-7").with_priority(1))`.
/// pool.drain().await
/// # }
/// ```
///
/// # Order
/// Queued calls run by priority, and by age within a priority. After 15 calls in a row that were
/// not the oldest, the oldest call runs next, so no priority and no key starves. A call with `n`
/// older calls before it waits for at most `16 * (n + 1)` others in its worker.
pub struct Pool<S: Service = Dispatch<DefaultCodec>> {
    service: Arc<S>,
    shared: Arc<PoolShared<S::Codec>>,
    owner: Arc<CloseOnDrop<S::Codec>>,
}

/// Closes the pool when its last handle is dropped.
struct CloseOnDrop<C: Codec>(Arc<PoolShared<C>>);

/// Id of a worker in a pool, counted from 0. A replacement has the id of the worker that it
/// replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub usize);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Pool {
    /// Returns a builder for a pool of workers run by `driver`, usually a
    /// [`Program`](crate::Program).
    // The bounds are those of `Worker::builder`.
    pub fn builder<A, D, T, K>(driver: A) -> PoolBuilder<D, DefaultCodec, T>
    where
        A: IntoDriver<K, Driver = D>,
        D: Driver<Transport = T>,
        T: Transport,
    {
        PoolBuilder::new(driver.into_driver())
    }
}

impl<S: Service> Pool<S> {
    fn new(service: S, shared: Arc<PoolShared<S::Codec>>) -> Self {
        let owner = Arc::new(CloseOnDrop(Arc::clone(&shared)));
        Self { service: Arc::new(service), shared, owner }
    }

    /// Asks a worker of the pool what it can do. The question is a call, which passes the layers.
    ///
    /// # Errors
    /// The errors of [`describe::describe`](crate::describe::describe).
    pub async fn describe(&self) -> Result<crate::describe::Description, Error> {
        crate::describe::describe(self).await
    }

    /// Returns a handle whose calls run in the same worker for the same key, for workers that keep
    /// state or a cache.
    ///
    /// If the worker is replaced, the key stays with its successor. The key moves to another worker
    /// only if its worker ends and is not replaced.
    pub fn with_key(&self, key: impl Hash) -> ScopedPool<S> {
        ScopedPool::new(self).with_key(key)
    }

    /// Returns a handle whose calls have this priority. Queued calls with a higher priority run
    /// first. Default: 0.
    pub fn with_priority(&self, priority: i32) -> ScopedPool<S> {
        ScopedPool::new(self).with_priority(priority)
    }

    /// Returns a handle whose calls run in this worker or its successor. If the worker has ended
    /// because it was idle, it is started again.
    ///
    /// Calls fail with [`Closed`](ErrorKind::Closed) if the pool has no such worker, or if the
    /// worker has ended and is not replaced.
    pub fn on(&self, worker: WorkerId) -> ScopedPool<S> {
        ScopedPool::new(self).on(worker)
    }

    /// Checks out a worker for a session with state: all calls of the returned handle run in this
    /// worker, and no other call does until it is given back.
    ///
    /// A checkout waits in the queue as a call does, with the age and priority of a call, and gets a
    /// worker that has no calls in flight. If
    /// [`max_in_flight`](crate::PoolBuilder::max_in_flight) is above 1, a busy worker is reserved
    /// when the turn of the checkout has come: it takes no other call until it is idle.
    ///
    /// A session counts as one call, for [`max_calls`](crate::PoolBuilder::max_calls) and
    /// [`recycle_after`](crate::PoolBuilder::recycle_after), too. While workers are checked out, the
    /// pool has fewer for other calls: calls with a key, calls [on](Self::on) a worker and
    /// [broadcasts](Self::broadcast) wait for their worker. [`drain`](Self::drain) waits for
    /// sessions up to [`Timeouts::drain`](crate::Timeouts::drain), and then kills their workers.
    ///
    /// Cancel-safe: a dropped checkout leaves the queue, and a worker that it got goes back.
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::{Checkout, Pool};
    /// # use isolated_workers_core::{CallError, Message, Never};
    /// # use isolated_workers_middleware::ServiceExt;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Load(String);
    /// # impl Message for Load {
    /// #     const NAME: &'static str = "load";
    /// #     type Reply = ();
    /// #     type Error = Never;
    /// # }
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Evaluate(String);
    /// # impl Message for Evaluate {
    /// #     const NAME: &'static str = "evaluate";
    /// #     type Reply = f64;
    /// #     type Error = Never;
    /// # }
    /// # async fn example(pool: Pool) -> Result<f64, CallError<Never>> {
    /// let session: Checkout = pool.checkout().await?;
    /// // With a client from `#[service]`: `ModelClient::new(session.clone())`.
    /// session.send(Load("model.bin".into())).await?;
    /// let result = session.send(Evaluate("x + 1".into())).await?;
    /// session.give_back();
    /// # Ok(result)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of a call that does not run: [`Overloaded`](ErrorKind::Overloaded) if the queue is full
    /// and [`WhenFull`] refuses it, [`Timeout`](ErrorKind::Timeout) after the
    /// [`queue_timeout`](crate::PoolBuilder::queue_timeout) or the deadline of a callback in which
    /// it waits, [`Crashed`](ErrorKind::Crashed) if the workers keep crashing,
    /// [`Closed`](ErrorKind::Closed) if the pool is closed or draining, and
    /// [`WouldDeadlock`](ErrorKind::WouldDeadlock) in a handler of a callback of this pool if no
    /// worker is idle.
    pub async fn checkout(&self) -> Result<Checkout<S>, Error> {
        Checkout::new(self, CallOptions::default()).await
    }

    /// Sends a message to all active and starting workers concurrently. Returns each worker's reply
    /// or error. A worker that is [checked out](Self::checkout) gets it when it is given back. The message is encoded on this thread, whatever its size.
    pub async fn broadcast<M: Message>(
        &self,
        message: &M,
    ) -> Vec<(WorkerId, Result<M::Reply, CallError<M::Error>>)> {
        let workers: Vec<_> = self.shared.lock().scheduler.live().map(WorkerId).collect();
        let calls = workers.into_iter().map(|worker| async move {
            let scoped = self.on(worker);
            (worker, client::send_ref(&scoped, message).await)
        });
        join_all(calls).await
    }

    /// Runs `f` with the pool for each item, with bounded concurrency, and returns the results as a
    /// stream.
    ///
    /// Results are in the order of the items, or in the order of completion with
    /// [`unordered`](Map::unordered). An error is the result of its item and does not end the
    /// stream.
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::Pool;
    /// # use isolated_workers_core::{CallError, Message, Never};
    /// # use isolated_workers_middleware::ServiceExt;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Square(u64);
    /// # impl Message for Square {
    /// #     const NAME: &'static str = "square";
    /// #     type Reply = u64;
    /// #     type Error = Never;
    /// # }
    /// # async fn example(pool: Pool) {
    /// // With a client from `#[service]`: `|pool, n| async move { MathClient::new(pool).square(n).await }`.
    /// let mut squares = pool.map(1..=1_000_000, |pool, n| async move { pool.send(Square(n)).await });
    /// while let Some(result) = squares.next().await {
    ///     match result {
    ///         Ok(square) => println!("{square}, {} of 1000000", squares.progress().done),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn map<'a, I, F, Fut>(&self, items: I, f: F) -> Map<'a, Fut::Output>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'a,
        F: FnMut(Self, I::Item) -> Fut + Send + 'a,
        Fut: Future + Send + 'a,
        S: 'a,
    {
        self.map_stream(stream::iter(items), f)
    }

    /// Runs `f` for each item of a stream, as [`map`](Self::map) does for an iterator.
    pub fn map_stream<'a, I, F, Fut>(&self, items: I, mut f: F) -> Map<'a, Fut::Output>
    where
        I: Stream + Send + 'a,
        F: FnMut(Self, I::Item) -> Fut + Send + 'a,
        Fut: Future + Send + 'a,
        S: 'a,
    {
        let pool = self.clone();
        let at_once = self.shared.capacity.saturating_mul(2);
        Map::new(items.map(move |item| f(pool.clone(), item).boxed()), at_once)
    }

    /// Returns current statistics.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Returns a receiver of statistics that is notified when a worker starts, ends or crashes.
    pub fn watch(&self) -> watch::Receiver<Stats> {
        self.shared.stats.subscribe()
    }

    /// Replaces all workers, one at a time, with the current version of the program.
    ///
    /// Each new worker is up before the old one is drained, so no call fails. Cancel-safe: the
    /// reload continues if the future is dropped. It waits for workers that are
    /// [checked out](Self::checkout): each ends when its session has ended.
    ///
    /// # Errors
    /// Error of the new worker that failed to start. Workers that are not replaced by then keep
    /// running. [`Closed`](ErrorKind::Closed) if the pool was closed.
    /// [`WouldDeadlock`](ErrorKind::WouldDeadlock) in a handler of a callback of the pool.
    pub async fn reload(&self) -> Result<(), Error> {
        self.check_outside("reload")?;
        let shared = &self.shared;
        let mut changes = shared.stats.subscribe();
        let from = shared.update(|state| state.scheduler.reload());
        loop {
            changes.borrow_and_update();
            if shared.end().is_some() {
                return Err(pool_ended(shared, "reload"));
            }
            match shared.reload_result(from) {
                (Some(true), _) => return Ok(()),
                (Some(false), Some(error)) => return Err(error),
                _ => {}
            }
            // Cannot fail: this pool owns the sender.
            let _ = changes.changed().await;
        }
    }

    /// Drains the pool: stops accepting calls, finishes queued calls and calls in flight, and
    /// closes the workers. Sessions have [`Timeouts::drain`](crate::Timeouts::drain) to end, and
    /// their workers are then killed. Zero means no limit.
    ///
    /// Returns when the workers are gone. Cancel-safe: draining continues if the future is dropped.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if a worker did not end in time and was killed.
    pub async fn drain(&self) -> Result<(), Error> {
        self.check_outside("drain")?;
        self.shared.stop(StopRequest::Drain);
        self.ended().await
    }

    /// Closes the pool: queued calls and calls in flight fail with [`Closed`](ErrorKind::Closed),
    /// and workers that do not end within [`Timeouts::close`](crate::Timeouts::close) are killed.
    ///
    /// Returns when the workers are gone. Cancel-safe: closing continues if the future is dropped.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if a worker did not end in time and was killed.
    pub async fn close(&self) -> Result<(), Error> {
        self.shared.stop(StopRequest::Close);
        self.ended().await
    }

    /// Checks that no callback of this pool waits until its call has ended.
    fn check_outside(&self, verb: &str) -> Result<(), Error> {
        let attempt = || format!("{verb} the pool ({})", self.shared.subject);
        self.shared.chain_id.as_deref().map_or(Ok(()), |id| call_chain::check_outside(id, attempt))
    }

    async fn ended(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let end = shared.end.subscribe().wait_for(Option::is_some).await.map(|end| *end);
        // Cannot fail: this pool owns the sender.
        match end.ok().flatten() {
            Some(PoolEnd::Closed { killed: killed @ 1.. }) => {
                let text = format!(
                    "could not close the pool ({}) gracefully: {killed} of its workers did not end in time and were \
                     killed; set a longer `Timeouts::close`",
                    shared.subject
                );
                Err(Error::new(ErrorKind::Closed, text))
            }
            _ => Ok(()),
        }
    }

    /// Kills all workers. Queued calls and calls in flight fail with [`Closed`](ErrorKind::Closed).
    ///
    /// Returns immediately. Await [`closed`](Self::closed) to wait until the workers are gone.
    pub fn kill(&self) {
        self.shared.stop(StopRequest::Kill);
    }

    /// Waits until the pool has been drained, closed or killed, and all workers are gone.
    /// Cancel-safe.
    pub async fn closed(&self) {
        // An error about killed workers is for callers of `drain` and `close`.
        let _ = self.ended().await;
    }

    /// Erases the layers from the type, so that the pool can be stored in a field:
    /// `Pool<BoxService>`. All methods remain available. Each call then allocates its future.
    pub fn boxed(&self) -> Pool<BoxService<S::Codec>>
    where
        S: 'static,
    {
        Pool {
            service: Arc::new(BoxService::new(Arc::clone(&self.service))),
            shared: Arc::clone(&self.shared),
            owner: Arc::clone(&self.owner),
        }
    }

    /// Makes a call up to `max_attempts` times. Each attempt goes through all middleware.
    async fn call_with_retries(&self, request: Request, max_attempts: u32) -> Result<Response, Error> {
        let Self { service, shared, .. } = self;
        let mut attempts = Attempts::new(request, max_attempts, shared.timeout);
        let mut is_suspect = false;
        loop {
            let mut request = attempts.request().clone();
            if is_suspect {
                let options = request.extensions().get::<CallOptions>().copied().unwrap_or_default();
                request.extensions_mut().insert(CallOptions { is_suspect, ..options });
            }
            let result = service.call(request).await;
            match attempts.judge(result, is_suspect || shared.is_exclusive()) {
                ControlFlow::Break(result) => return result,
                ControlFlow::Continue(()) => is_suspect = true,
            }
        }
    }
}

impl<S: Service> Service for Pool<S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.service.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.service.body_limit()
    }

    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        call_chain::inherit(&mut request);
        match self.shared.on_crash.attempts(&request) {
            1 => Either::Left(self.service.call(request)),
            max_attempts => Either::Right(Box::pin(self.call_with_retries(request, max_attempts))),
        }
    }
}

impl<S: Service> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            shared: Arc::clone(&self.shared),
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<S: Service> Lifecycle for Pool<S> {
    type Exit = ();

    async fn drain(&self) -> Result<(), Error> {
        self.drain().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.close().await
    }

    fn kill(&self) {
        self.kill();
    }

    async fn closed(&self) {
        self.closed().await
    }
}

impl<C: Codec> Drop for CloseOnDrop<C> {
    fn drop(&mut self) {
        self.0.stop(StopRequest::Close);
    }
}

impl<S: Service> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Pool")
            .field("active", &state.scheduler.active())
            .field("queued", &state.scheduler.queued())
            .finish()
    }
}
