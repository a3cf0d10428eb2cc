use std::fmt;

use isolated_workers_codec::{BodyLimit, DefaultCodec};
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::BlockingService;
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

impl<S: Service> BlockingService for Checkout<S> {}

impl<S: Service> Service for Checkout<S> {
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

impl<S: Service> Clone for Checkout<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service> fmt::Debug for Checkout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
