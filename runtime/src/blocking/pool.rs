use std::hash::Hash;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{CallError, Error, Message};
use isolated_workers_middleware::{BoxService, Layers, Service};
use isolated_workers_transport::Transport;

use super::service::delegate_to_handle;
use super::{Checkout, Map, ScopedPool, background};
use crate::driver::Driver;
use crate::pool::{Dispatch, Stats, WorkerId};
use crate::{HostHandler, PoolBuilder};

/// Pool for a program without a runtime. Its methods wait on the thread that calls them.
///
/// It is the handle of a [`Pool`](crate::Pool) whose tasks run on a thread of the library. Threads
/// of the program share it, and each has one call in flight; [`map`](Self::map) makes many calls
/// from one thread.
///
/// Cloning is cheap, and all clones refer to the same pool. The pool closes when the last clone is
/// dropped.
///
/// ```no_run
/// # use isolated_workers_runtime::{Pool, Program, blocking};
/// # fn example() -> Result<(), isolated_workers_core::Error> {
/// let pool = blocking::Pool::spawn(Pool::builder(Program::new("./thumbnailer")).workers(4))?;
/// // `ThumbnailerBlockingClient::new(&pool)` calls it.
/// pool.drain()
/// # }
/// ```
pub struct Pool<S: Service = Dispatch<DefaultCodec>>(crate::Pool<S>);

impl Pool {
    /// Starts the minimum number of workers, and waits until all are ready for calls. The builder
    /// is that of [`Pool::builder`](crate::Pool::builder).
    ///
    /// # Errors
    /// Errors of [`PoolBuilder::spawn`] and [`block_on`](super::block_on).
    pub fn spawn<D, C, T, L, H>(
        builder: PoolBuilder<D, C, T, L, H>,
    ) -> Result<Pool<L::Service<Dispatch<C>>>, Error>
    where
        D: Driver,
        C: Codec,
        T: Transport,
        L: Layers,
        H: HostHandler,
    {
        background::wait("start a pool", builder.spawn())?.map(Pool)
    }
}

impl<S: Service> Pool<S> {
    /// Returns the async handle, for what only it has. [`block_on`](super::block_on) waits for its
    /// futures.
    pub fn as_async(&self) -> &crate::Pool<S> {
        &self.0
    }

    /// Returns a handle whose calls run in the same worker for the same key. See
    /// [`with_key`](crate::Pool::with_key) of the async handle.
    pub fn with_key(&self, key: impl Hash) -> ScopedPool<S> {
        ScopedPool(self.0.with_key(key))
    }

    /// Returns a handle whose calls have this priority. Queued calls with a higher priority run
    /// first. Default: 0.
    pub fn with_priority(&self, priority: i32) -> ScopedPool<S> {
        ScopedPool(self.0.with_priority(priority))
    }

    /// Returns a handle whose calls run in this worker or its successor. See
    /// [`on`](crate::Pool::on) of the async handle.
    pub fn on(&self, worker: WorkerId) -> ScopedPool<S> {
        ScopedPool(self.0.on(worker))
    }

    /// Checks out a worker for a session with state, and waits until one is idle. See
    /// [`checkout`](crate::Pool::checkout) of the async handle.
    ///
    /// # Errors
    /// Errors of the async handle. `WouldDeadlock` in a handler of a callback that is an `async fn`.
    pub fn checkout(&self) -> Result<Checkout<S>, Error> {
        background::wait("check out a worker of the pool", self.0.checkout())?.map(Checkout)
    }

    /// Sends a message to all active and starting workers concurrently. Returns each worker's reply
    /// or error.
    ///
    /// # Errors
    /// `WouldDeadlock` in a handler of a callback that is an `async fn`.
    #[allow(clippy::type_complexity)]
    pub fn broadcast<M: Message>(
        &self,
        message: &M,
    ) -> Result<Vec<(WorkerId, Result<M::Reply, CallError<M::Error>>)>, Error> {
        background::wait("send a message to all workers", self.0.broadcast(message))
    }

    /// Runs `f` with the async pool for each item, with bounded concurrency, and returns the
    /// results as an iterator.
    ///
    /// Results are in the order of the items, or in the order of completion with
    /// [`unordered`](Map::unordered). An error is the result of its item and does not end the
    /// iterator. The thread that takes the results makes all calls.
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::{Pool, Program, blocking};
    /// # use isolated_workers_core::{Error, Message, Never};
    /// # use isolated_workers_middleware::ServiceExt;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Square(u64);
    /// # impl Message for Square {
    /// #     const NAME: &'static str = "square";
    /// #     type Reply = u64;
    /// #     type Error = Never;
    /// # }
    /// # fn example(pool: blocking::Pool) -> Result<(), Error> {
    /// // With a client from `#[service]`: `|pool, n| async move { MathClient::new(pool).square(n).await }`.
    /// for square in pool.map(1..=1_000_000, |pool, n| async move { pool.send(Square(n)).await }) {
    ///     println!("{:?}", square?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<'a, I, F, Fut>(&self, items: I, f: F) -> Map<'a, Fut::Output>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'a,
        F: FnMut(crate::Pool<S>, I::Item) -> Fut + Send + 'a,
        Fut: Future + Send + 'a,
        S: 'a,
    {
        Map(self.0.map(items, f))
    }

    /// Returns current statistics.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Replaces all workers, one at a time, with the current version of the program. No call fails.
    ///
    /// # Errors
    /// Errors of [`reload`](crate::Pool::reload) of the async handle.
    pub fn reload(&self) -> Result<(), Error> {
        background::wait("reload the pool", self.0.reload())?
    }

    /// Drains the pool: finishes queued calls and calls in flight, and closes the workers.
    ///
    /// # Errors
    /// `Closed` if a worker did not end in time and was killed. `WouldDeadlock` in a handler of a
    /// callback.
    pub fn drain(&self) -> Result<(), Error> {
        background::wait("drain the pool", self.0.drain())?
    }

    /// Closes the pool: queued calls and calls in flight fail, and workers that do not end in time
    /// are killed.
    ///
    /// # Errors
    /// `Closed` if a worker did not end in time and was killed. `WouldDeadlock` in a handler of a
    /// callback that is an `async fn`.
    pub fn close(&self) -> Result<(), Error> {
        background::wait("close the pool", self.0.close())?
    }

    /// Kills all workers at once, without waiting.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Waits until the pool has been drained, closed or killed, and all workers are gone.
    ///
    /// # Errors
    /// `WouldDeadlock` in a handler of a callback that is an `async fn`.
    pub fn closed(&self) -> Result<(), Error> {
        background::wait("wait for the end of the pool", self.0.closed())
    }

    /// Erases the layers from the type, so that the pool can be stored in a field:
    /// `blocking::Pool<BoxService>`.
    pub fn boxed(&self) -> Pool<BoxService<S::Codec>>
    where
        S: 'static,
    {
        Pool(self.0.boxed())
    }
}

delegate_to_handle!([S: Service] [S: Service] Pool<S> => crate::Pool<S>);
