use std::hash::{DefaultHasher, Hash, Hasher};

use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::scheduler::Target;
use super::{Pool, WorkerId};

/// A pool with something said about its calls: where they run, and how urgent they are. Made by
/// [`Pool::with_key`], [`Pool::with_priority`] and [`Pool::on`]; cheap to make, and to be made for each call.
#[derive(Debug)]
pub struct ScopedPool<S: Service> {
    pool: Pool<S>,
    options: Options,
}

/// What is said about a call. It goes with the request through the middleware.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) target: Target,
    pub(super) priority: i32,
    /// It had been in flight when a worker crashed.
    pub(super) is_suspect: bool,
}

impl<S: Service> ScopedPool<S> {
    pub(super) fn new(pool: &Pool<S>) -> Self {
        Self { pool: pool.clone(), options: Options::default() }
    }

    /// As [`Pool::with_key`].
    pub fn with_key(mut self, key: impl Hash) -> Self {
        // Its keys are fixed, so that the views of all threads agree.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.options.target = Target::Key(hasher.finish());
        self
    }

    /// As [`Pool::with_priority`].
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// As [`Pool::on`].
    pub fn on(mut self, worker: WorkerId) -> Self {
        self.options.target = Target::Slot(worker.0);
        self
    }
}

impl<S: Service> Service for ScopedPool<S> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.pool.codec()
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
