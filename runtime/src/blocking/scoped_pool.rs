use std::hash::Hash;

use isolated_workers_core::Error;
use isolated_workers_middleware::Service;

use super::service::delegate_to_handle;
use super::{Checkout, background};
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
        background::wait("check out a worker of the pool", self.0.checkout())?.map(Checkout)
    }
}

delegate_to_handle!([S: Service] [S: Service] ScopedPool<S> => crate::ScopedPool<S>);
