use isolated_workers_codec::DefaultCodec;
use isolated_workers_middleware::Service;

use super::service::delegate_to_handle;
use crate::pool::{Dispatch, WorkerId};

/// One worker of a blocking pool for a session: all calls of this handle run in that worker, and no
/// other call does. Created by [`Pool::checkout`](super::Pool::checkout).
///
/// See [`Checkout`](crate::Checkout) of the async pool for the ends of a session.
pub struct Checkout<S: Service = Dispatch<DefaultCodec>>(pub(super) crate::Checkout<S>);

impl<S: Service> Checkout<S> {
    /// Ends the session and returns the worker to the pool. If no handle does before it is dropped,
    /// the worker is killed and replaced.
    pub fn give_back(&self) {
        self.0.give_back();
    }

    /// Returns the id of the worker.
    pub fn worker(&self) -> WorkerId {
        self.0.worker()
    }

    /// Returns the process id of the worker. `None` if it is not a process.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid()
    }
}

delegate_to_handle!([S: Service] [S: Service] Checkout<S> => crate::Checkout<S>);
