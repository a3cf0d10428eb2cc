use std::fmt;
use std::hash::Hash;

use isolated_workers_codec::BodyLimit;
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::{BlockingService, Checkout, background};
use crate::pool::WorkerId;

/// Handle to a blocking pool that sets the worker or the priority of its calls.
///
/// Created by [`Pool::with_key`](super::Pool::with_key), `with_priority` and `on`.
pub struct ScopedPool<S: Service>(pub(super) crate::ScopedPool<S>);

impl<S: Service> ScopedPool<S> {
    /// Sets the key, as [`Pool::with_key`](super::Pool::with_key) does.
    pub fn with_key(self, key: impl Hash) -> Self {
        Self(self.0.with_key(key))
    }

    /// Sets the priority, as [`Pool::with_priority`](super::Pool::with_priority) does.
    pub fn with_priority(self, priority: i32) -> Self {
        Self(self.0.with_priority(priority))
    }

    /// Sets the worker, as [`Pool::on`](super::Pool::on) does.
    pub fn on(self, worker: WorkerId) -> Self {
        Self(self.0.on(worker))
    }

    /// Checks out a worker, as [`Pool::checkout`](super::Pool::checkout) does.
    ///
    /// # Errors
    /// The same.
    pub fn checkout(&self) -> Result<Checkout<S>, Error> {
        let attempt = || "check out a worker of the pool".to_owned();
        background::wait(attempt, self.0.checkout())?.map(Checkout)
    }
}

impl<S: Service> BlockingService for ScopedPool<S> {}

impl<S: Service> Service for ScopedPool<S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.0.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.0.body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.call(request)
    }
}

impl<S: Service> Clone for ScopedPool<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service> fmt::Debug for ScopedPool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
