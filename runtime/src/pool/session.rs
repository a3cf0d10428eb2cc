//! Session: a worker that is checked out, and its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::call_chain;

use super::call_errors::session_ended;
use super::checkout_state::SessionCrash;
use super::fast_path::WorkerHandle;
use super::state::{PoolShared, PoolState};
use super::waiting_call::AssignedRoute;
use crate::connection::Call;

/// Exclusive use of one worker of a pool.
///
/// The number keeps an old handle from calling the worker in a later session. The link is that of
/// this worker only, so no call reaches its successor.
pub(super) struct PoolSession<C: Codec> {
    shared: Arc<PoolShared<C>>,
    worker: WorkerHandle<C>,
    number: u64,
    is_given_back: AtomicBool,
    crash: Arc<SessionCrash>,
}

/// Owner of a session. If it is dropped before the worker is given back, the worker is killed.
pub(super) struct SessionOwner<C: Codec>(Arc<PoolSession<C>>);

impl<C: Codec> SessionOwner<C> {
    /// Starts the session of a worker that the scheduler has assigned.
    pub(super) fn new(shared: &Arc<PoolShared<C>>, worker: WorkerHandle<C>) -> Self {
        let crash = Arc::<SessionCrash>::default();
        shared.lock().sessions.insert(worker.id, Arc::clone(&crash));
        let number = worker.link.session();
        let (shared, is_given_back) = (Arc::clone(shared), AtomicBool::new(false));
        Self(Arc::new(PoolSession { shared, worker, number, is_given_back, crash }))
    }

    pub(super) fn session(&self) -> &Arc<PoolSession<C>> {
        &self.0
    }

    pub(super) fn worker(&self) -> &WorkerHandle<C> {
        &self.0.worker
    }

    /// Ends the session and returns the worker to the pool.
    pub(super) fn give_back(&self) {
        self.0.end(|state, worker| state.scheduler.give_back(worker.id, worker, false));
    }
}

impl<C: Codec> Drop for SessionOwner<C> {
    fn drop(&mut self) {
        self.0.end(|state, worker| state.scheduler.discard(worker.id, worker));
    }
}

impl<C: Codec> PoolSession<C> {
    /// Ends the session, unless it has ended.
    fn end(&self, end: impl FnOnce(&mut PoolState<C>, &WorkerHandle<C>)) {
        if !self.is_given_back.swap(true, Ordering::AcqRel) {
            self.shared.update(|state| {
                state.sessions.remove(&self.worker.id);
                end(state, &self.worker);
            });
            // A pool that drains may wait for this.
            self.shared.notify.notify_one();
        }
    }

    /// Makes a call in the worker of this session, and in no other one.
    pub(super) async fn call(&self, mut request: Request) -> Result<Response, Error> {
        loop {
            if !self.worker.link.acquire_in_session(self.number) {
                return Err(self.ended(request.name()));
            }
            let mut call = Call::with_permit(AssignedRoute::new(self.worker.link.clone()), request);
            let result = (&mut call).await;
            // A call that is not sent has waited for its worker, which may have ended meanwhile.
            let Some(unsent) = call.take_unsent() else { return result };
            request = unsent.request;
            call_chain::restore(&mut request);
        }
    }

    #[cold]
    fn ended(&self, name: &str) -> Error {
        let is_given_back = self.is_given_back.load(Ordering::Acquire);
        session_ended(&self.shared, name, is_given_back, self.crash.get())
    }
}
