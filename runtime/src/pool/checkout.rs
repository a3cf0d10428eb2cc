//! Handle to a worker of a pool that is checked out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use isolated_workers_codec::{BodyLimit, DefaultCodec};
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::{Service, call_chain};

use super::call_options::CallOptions;
use super::session::SessionOwner;
use super::{Dispatch, Pool, WorkerId};

/// One worker of a pool for a session: all calls of this handle run in that worker, and no other
/// call does.
///
/// Created by [`Pool::checkout`]. It is a [`Service`], so `MyClient::new(session.clone())` calls
/// the worker. Calls pass the middleware of the pool. They run concurrently, as those of a
/// [`Worker`](crate::Worker): a session is one call for the pool's
/// [`max_in_flight`](crate::PoolBuilder::max_in_flight), however many calls it makes.
///
/// Cloning is cheap, and all clones refer to the same session. They keep the pool open.
///
/// # End
/// - [`give_back`](Self::give_back) returns the worker to the pool, with the state that the session
///   has left in it.
/// - If the last handle is dropped before, the worker is killed and replaced, so that no state
///   reaches the next user. Streams of the session that are still read end with an error.
/// - If the worker crashes or is killed, calls in flight fail with the crash, and later ones with
///   [`Closed`](isolated_workers_core::ErrorKind::Closed). No call is retried in another worker,
///   not even an idempotent one, because the state is lost. The pool replaces the worker at once.
///
/// # Replacement
/// A worker that reaches a limit of the pool during the session, such as
/// [`recycle_after`](crate::PoolBuilder::recycle_after) or
/// [`max_age`](crate::PoolBuilder::max_age), is replaced for others, and ends when the session has
/// ended. [`Pool::reload`] waits for that. It does not end because it is idle.
pub struct Checkout<S: Service = Dispatch<DefaultCodec>> {
    pool: Pool<S>,
    owner: Arc<SessionOwner<S::Codec>>,
}

impl<S: Service> Checkout<S> {
    /// Checks out a worker for which calls with these options are meant.
    pub(super) async fn new(pool: &Pool<S>, options: CallOptions) -> Result<Self, Error> {
        let owner = pool.shared.check_out(options).await?;
        Ok(Self { pool: pool.clone(), owner: Arc::new(owner) })
    }

    /// Ends the session and returns the worker to the pool. Does nothing if the session has ended.
    ///
    /// Later calls of all clones fail with [`Closed`](isolated_workers_core::ErrorKind::Closed).
    /// Calls and streams in flight continue, and so do handlers of calls that were given up. The
    /// pool uses the worker again when all of them have ended, and never if it hangs, has crashed
    /// or was replaced. Handlers of oneway messages may still run then, because the host does not
    /// know when they end: make a call after the last one.
    pub fn give_back(&self) {
        self.owner.give_back();
    }

    /// Returns the id of the worker. If it is replaced during the session, its successor has the
    /// same id.
    pub fn worker(&self) -> WorkerId {
        WorkerId(self.owner.worker().slot.load(Ordering::Acquire))
    }

    /// Returns the process id of the worker. `None` if it is not a process.
    pub fn pid(&self) -> Option<u32> {
        self.owner.worker().pid
    }
}

impl<S: Service> Service for Checkout<S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.pool.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.pool.body_limit()
    }

    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        call_chain::inherit(&mut request);
        request.extensions_mut().insert(CallOptions { in_session: true, ..CallOptions::default() });
        request.extensions_mut().insert(Arc::clone(self.owner.session()));
        // Below the retries of the pool.
        self.pool.service.call(request)
    }
}

impl<S: Service> Clone for Checkout<S> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), owner: Arc::clone(&self.owner) }
    }
}

impl<S: Service> fmt::Debug for Checkout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("subject", &self.pool.shared.subject)
            .field("worker", &self.worker())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
