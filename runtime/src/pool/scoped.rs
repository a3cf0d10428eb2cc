//! Pool handle with options for its calls.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use isolated_workers_codec::BodyLimit;
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::call_options::CallOptions;
use super::scheduler::Target;
use super::{Checkout, Pool, WorkerId};

/// Handle to a pool that sets the worker or the priority of its calls.
///
/// Created by [`Pool::with_key`], [`Pool::with_priority`] and [`Pool::on`]. It is cheap to create,
/// even for each call.
pub struct ScopedPool<S: Service> {
    pool: Pool<S>,
    options: CallOptions,
}

impl<S: Service> ScopedPool<S> {
    pub(super) fn new(pool: &Pool<S>) -> Self {
        Self { pool: pool.clone(), options: CallOptions::default() }
    }

    /// Sets the key, as [`Pool::with_key`] does.
    pub fn with_key(mut self, key: impl Hash) -> Self {
        // `DefaultHasher::new` is not randomized, so all handles agree.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.options.target = Target::Key(hasher.finish());
        self
    }

    /// Sets the priority, as [`Pool::with_priority`] does.
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Sets the worker, as [`Pool::on`] does.
    pub fn on(mut self, worker: WorkerId) -> Self {
        self.options.target = Target::Slot(worker.0);
        self
    }

    /// Checks out a worker, as [`Pool::checkout`] does: the worker of the key or the id, and with
    /// the priority in the queue, if they are set.
    ///
    /// # Errors
    /// Errors of [`Pool::checkout`].
    pub async fn checkout(&self) -> Result<Checkout<S>, Error> {
        Checkout::new(&self.pool, self.options).await
    }
}

impl<S: Service> Service for ScopedPool<S> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.pool.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.pool.body_limit()
    }

    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        request.extensions_mut().insert(self.options);
        self.pool.call(request)
    }
}

impl<S: Service> Clone for ScopedPool<S> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), options: self.options }
    }
}

impl<S: Service> fmt::Debug for ScopedPool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedPool").field("pool", &self.pool).field("options", &self.options).finish()
    }
}
