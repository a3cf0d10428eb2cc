use std::fmt;
use std::sync::Arc;

use isolated_workers_codec::Json;
use isolated_workers_core::{Error, ErrorKind, ExitReason, Request, Response};
use isolated_workers_middleware::Service;

use crate::supervisor::{Control, Stop};
use crate::{Builder, Link, Program};

/// A running worker, as its host sees it: a [`Service`], with the middleware of its builder around it.
///
/// Cloning is cheap and all clones are the same worker. It is closed when the last one is dropped, and does not
/// outlive this process.
pub struct Worker<S = Link<Json>>(Arc<Inner<S>>);

struct Inner<S> {
    service: S,
    control: Control,
    pid: u32,
}

impl Worker {
    /// A worker that runs `program`; [`Builder::spawn`] starts it.
    pub fn builder(program: Program) -> Builder {
        Builder::new(program)
    }
}

impl<S> Worker<S> {
    pub(crate) fn new(service: S, control: Control, pid: u32) -> Self {
        Self(Arc::new(Inner { service, control, pid }))
    }

    /// The id of the worker's process. Once the worker is [closed](Self::closed) it may be that of another process.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Whether the worker takes calls: false from the moment that it is closed, killed or found dead.
    pub fn is_active(&self) -> bool {
        self.0.control.is_running()
    }

    /// Ends the worker in an orderly way and waits until its process is gone: calls in flight fail with
    /// [`Closed`](ErrorKind::Closed), the worker is told to end, and is killed where it has not done so within
    /// [`Timeouts::close`](crate::Timeouts::close).
    ///
    /// Calling it again, or on a worker that is gone already, does no harm. Cancel-safe: the worker ends all the same.
    ///
    /// # Errors
    /// `Closed` where the worker had to be killed.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.control.stop(Stop::Close);
        let ending = self.0.control.ended().await;
        if ending.killed_after_grace {
            let why =
                "it did not end by itself in time and was killed; a longer `Timeouts::close` gives it more";
            return Err(Error::new(
                ErrorKind::Closed,
                format!("closing the worker (pid {}): {why}", self.0.pid),
            ));
        }
        Ok(())
    }

    /// Kills the worker and all processes of its group at once. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed). Wait for [`closed`](Self::closed) to know that it is gone.
    pub fn kill(&self) {
        self.0.control.stop(Stop::Kill);
    }

    /// Waits until the worker's process is gone, for whatever reason, and tells how it ended. Cancel-safe.
    pub async fn closed(&self) -> ExitReason {
        self.0.control.ended().await.reason
    }
}

impl<S: Service> Service for Worker<S> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.0.service.codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.service.call(request)
    }
}

impl<S> Clone for Worker<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Drop for Inner<S> {
    fn drop(&mut self) {
        self.control.stop(Stop::Close);
    }
}

impl<S> fmt::Debug for Worker<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("pid", &self.0.pid).field("active", &self.is_active()).finish()
    }
}
