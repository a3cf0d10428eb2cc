//! Many workers behind one stub.

mod builder;
mod dispatch;
mod gate;
mod links;
mod map;
mod memory;
mod owner;
mod refusal;
mod rules;
mod scheduler;
mod seat;
mod shared;
mod stats;
mod view;

use std::fmt;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::{Either, join_all};
use futures_util::stream::{self, Stream};
use futures_util::{FutureExt, StreamExt};
use isolated_workers_codec::DefaultCodec;
use isolated_workers_core::{CallError, Error, ErrorKind, Message, Request, Response};
use isolated_workers_middleware::{Service, ServiceExt};
use tokio::sync::watch;

pub use self::builder::PoolBuilder;
pub use self::dispatch::Dispatch;
pub use self::map::{Map, MapProgress};
use self::rules::Rules;
pub use self::rules::{Restart, WhenFull};
use self::shared::Shared;
pub use self::stats::{QueueStats, Stats, WorkerStats};
use self::view::Options;
pub use self::view::ScopedPool;
use crate::driver::Driver;
use crate::host::attempts::Attempts;
use crate::host::supervisor::Stop;

/// Many workers of one program behind one [`Service`]: a call runs in the one that has the fewest calls, or waits in the
/// queue until one has room.
///
/// A worker that dies costs the calls that were in it, which are made again where their messages allow it, and is
/// replaced. One that keeps dying is started ever less often, and past a limit calls fail with an error that says why.
///
/// Cloning is cheap and all clones are the same pool. It is closed when the last one is dropped.
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
/// Of the calls that wait, the most urgent goes first, and of those the oldest; but after 15 in a row that were not the
/// oldest it is the oldest one's turn. So no priority and no key waits for ever: one with `n` older calls before it waits
/// for `16 * (n + 1)` others at most in the worker that it is for.
pub struct Pool<S: Service = Dispatch<DefaultCodec>>(Arc<Inner<S>>);

struct Inner<S: Service> {
    service: S,
    shared: Arc<Shared<S::Codec>>,
}

/// Addresses a worker of a pool: a place from 0 on, which the next one takes over when the worker is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub usize);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Pool {
    /// A pool of workers that are run by `driver`, as a rule a [`Program`](crate::Program); [`PoolBuilder::spawn`] starts
    /// it.
    pub fn builder<D: Driver>(driver: D) -> PoolBuilder<D, DefaultCodec, D::Transport> {
        PoolBuilder::new(driver)
    }
}

impl<S: Service> Pool<S> {
    fn new(service: S, shared: Arc<Shared<S::Codec>>) -> Self {
        Self(Arc::new(Inner { service, shared }))
    }

    /// The pool, for calls that all run in the same worker for the same key: for state or a cache that a worker keeps.
    /// The key stays there when the worker is replaced, and moves only where its place is given up for good.
    pub fn with_key(&self, key: impl Hash) -> ScopedPool<S> {
        ScopedPool::new(self).with_key(key)
    }

    /// The pool, for calls of this priority: where calls wait, those with a higher one go first. Default: 0.
    pub fn with_priority(&self, priority: i32) -> ScopedPool<S> {
        ScopedPool::new(self).with_priority(priority)
    }

    /// The pool, for calls in this worker or the one that has taken its place. One that was idle for too long is
    /// started for it.
    pub fn on(&self, worker: WorkerId) -> ScopedPool<S> {
        ScopedPool::new(self).on(worker)
    }

    /// Sends a message to every worker that is there or about to be, at the same time, and returns what each has
    /// answered.
    pub async fn broadcast<M: Message>(
        &self,
        message: &M,
    ) -> Vec<(WorkerId, Result<M::Reply, CallError<M::Error>>)> {
        let workers: Vec<_> = self.0.shared.lock().scheduler.live().map(WorkerId).collect();
        let calls = workers.into_iter().map(|worker| async move {
            let view = self.on(worker);
            (worker, view.send(message).await)
        });
        join_all(calls).await
    }

    /// Does something with the pool for each item, many at once, and hands out the results: by default in the order of
    /// the items, as they come with [`unordered`](Map::unordered). An error is the result of its item and ends nothing.
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
    /// // With a client that `#[service]` has made: `|pool, n| async move { MathClient::new(pool).square(n).await }`.
    /// let mut squares = pool.map(1..=1_000_000, |pool, n| async move { pool.send(&Square(n)).await });
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

    /// The same for the items of a stream.
    pub fn map_stream<'a, I, F, Fut>(&self, items: I, mut f: F) -> Map<'a, Fut::Output>
    where
        I: Stream + Send + 'a,
        F: FnMut(Self, I::Item) -> Fut + Send + 'a,
        Fut: Future + Send + 'a,
        S: 'a,
    {
        let pool = self.clone();
        let room = self.0.shared.room;
        Map::new(items.map(move |item| f(pool.clone(), item).boxed()), room.saturating_mul(2))
    }

    /// What the pool is doing now.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// The same to look at or to wait for; told of whenever a worker comes, goes or is lost.
    pub fn watch(&self) -> watch::Receiver<Stats> {
        self.0.shared.stats.subscribe()
    }

    /// Replaces all workers, one after the other, by the program as it is now. Each new one is up before the old one
    /// goes, which finishes what it is at: no call fails for it. Cancel-safe: it goes on all the same.
    ///
    /// # Errors
    /// Why a new worker did not come up; those that were not replaced by then stay. `Closed` where the pool is.
    pub async fn reload(&self) -> Result<(), Error> {
        let shared = &self.0.shared;
        let mut news = shared.stats.subscribe();
        let from = shared.update(|state| state.scheduler.reload());
        loop {
            news.borrow_and_update();
            match shared.reloaded(from) {
                (Some(true), _) => return Ok(()),
                (Some(false), Some(error)) => return Err(error),
                _ if shared.closed.borrow().is_some() => {
                    return Err(Error::new(ErrorKind::Closed, "the pool was closed while it was reloaded"));
                }
                _ => {}
            }
            // It is told of by its owner, and this pool holds the other end.
            let _ = news.changed().await;
        }
    }

    /// Takes no calls any more, finishes those that wait and those in flight, and then closes the workers. Returns when
    /// they are gone. Cancel-safe: it is drained all the same.
    ///
    /// # Errors
    /// `Closed` where a worker had to be killed in the end.
    pub async fn drain(&self) -> Result<(), Error> {
        self.0.shared.stop(Stop::Drain);
        self.ended().await
    }

    /// Ends the pool in an orderly way: calls that wait or are in flight fail with [`Closed`](ErrorKind::Closed), and
    /// workers that do not end within [`Timeouts::close`](crate::Timeouts::close) are killed. Returns when they are
    /// gone. Cancel-safe: it is closed all the same.
    ///
    /// # Errors
    /// `Closed` where a worker had to be killed.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.shared.stop(Stop::Close);
        self.ended().await
    }

    async fn ended(&self) -> Result<(), Error> {
        let shared = &self.0.shared;
        let ended = shared.closed.subscribe().wait_for(Option::is_some).await.map(|killed| *killed);
        // An error says that the other end is gone, which this pool holds.
        match ended.ok().flatten() {
            None | Some(0) => Ok(()),
            Some(killed) => {
                let text = format!(
                    "closing the pool ({}): {killed} of its workers did not end by themselves in time and were killed; a \
                     longer `Timeouts::close` gives them more",
                    shared.subject
                );
                Err(Error::new(ErrorKind::Closed, text))
            }
        }
    }

    /// Kills all workers. Calls that wait or are in flight fail with [`Closed`](ErrorKind::Closed). Wait for
    /// [`closed`](Self::closed) to know that they are gone.
    pub fn kill(&self) {
        self.0.shared.stop(Stop::Kill);
    }

    /// QueueStats until all workers are gone because the pool was drained, closed or killed. Cancel-safe.
    pub async fn closed(&self) {
        // It tells how well that went, which is the matter of those who close.
        let _ = self.ended().await;
    }

    /// Makes a call up to `most` times, through all of the middleware each time.
    async fn attempts(&self, request: Request, most: u32) -> Result<Response, Error> {
        let Inner { service, shared } = &*self.0;
        let mut attempts = Attempts::new(request, most);
        let mut is_suspect = false;
        loop {
            let mut request = attempts.request().clone();
            if is_suspect {
                let options = request.extensions().get::<Options>().copied().unwrap_or_default();
                request.extensions_mut().insert(Options { is_suspect, ..options });
            }
            let result = service.call(request).await;
            match attempts.judge(result, is_suspect || shared.is_exclusive) {
                ControlFlow::Break(result) => return result,
                ControlFlow::Continue(_) => is_suspect = true,
            }
        }
    }
}

impl<S: Service> Service for Pool<S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.0.service.codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        match self.0.shared.on_crash.attempts(&request) {
            1 => Either::Left(self.0.service.call(request)),
            most => Either::Right(Box::pin(self.attempts(request, most))),
        }
    }
}

impl<S: Service> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service> Drop for Inner<S> {
    fn drop(&mut self) {
        self.shared.stop(Stop::Close);
    }
}

impl<S: Service> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.shared.lock();
        f.debug_struct("Pool")
            .field("active", &state.scheduler.active())
            .field("queued", &state.scheduler.queued())
            .finish()
    }
}
