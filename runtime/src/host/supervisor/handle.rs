//! Handle of a supervisor task, and the requests sent to it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use tokio::sync::{mpsc, oneshot, watch};

use super::ABANDONED;
use super::connection::WorkerConnection;
use crate::Status;
use crate::driver::{Address, Captured, Detach, Running};

/// Requested end of a worker. A later variant overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopRequest {
    None,
    Drain,
    Close,
    /// Kills a worker that is hung. Its calls in flight fail as after a crash. Only a pool knows
    /// that.
    #[cfg_attr(not(feature = "pool"), allow(dead_code))]
    KillHung,
    /// Kills the worker. Its calls in flight fail because it was closed.
    Kill,
}

/// Outcome of a worker's life.
#[derive(Clone, Debug)]
pub(crate) struct WorkerExit {
    pub(crate) reason: ExitReason,
    pub(crate) killed_after_grace: bool,
    /// The crash, if the worker ended unexpectedly. Only a pool reads it.
    #[cfg_attr(not(feature = "pool"), allow(dead_code))]
    pub(crate) crash: Option<Crash>,
}

impl WorkerExit {
    pub(super) fn new(reason: ExitReason) -> Self {
        Self { reason, killed_after_grace: false, crash: None }
    }
}

/// Change to the connection of a running worker.
pub(crate) enum Command<P, C: Codec> {
    /// Ends the connection. The worker lingers, waiting for a new connection.
    Disconnect,
    /// Continues over another connection.
    Reconnect { dial: Dial<C> },
    /// Detaches the worker without ending it. A worker that lingers is dialed first.
    Detach { release: Release<P>, dial: Dial<C> },
}

/// Future that connects to a lingering worker. The supervisor owns it, so that the connection does
/// not depend on a caller.
pub(crate) type Dial<C> = Pin<Box<dyn Future<Output = Result<Connect<C>, Error>> + Send>>;

/// Function that continues the link over the connection.
pub(crate) type Connect<C> = Box<dyn FnOnce() -> WorkerConnection<C> + Send>;

/// Functions of a driver that release a worker.
pub(crate) struct Release<P> {
    pub(super) check: fn(&P) -> Result<(), Error>,
    pub(super) detach: fn(&mut P) -> Result<(), Error>,
    pub(super) reclaim: fn(&mut P),
}

impl<P: Detach> Release<P> {
    pub(crate) fn new() -> Self {
        Self { check: P::can_detach, detach: P::detach, reclaim: P::reclaim }
    }
}

/// A command, and the channel for its result.
pub(super) type CommandRequest<P, C> = (Command<P, C>, CommandSender);

/// Channel for the result of a command.
pub(super) type CommandSender = oneshot::Sender<Result<Option<Receipt>, Error>>;

/// Sender by which a caller confirms that it has taken the result of a detach. The worker is kept
/// if the caller was dropped before.
pub(super) type Receipt = oneshot::Sender<()>;

/// Current process of the worker. It changes with each respawn.
#[derive(Clone)]
pub(crate) struct Identity<I> {
    pub(crate) pid: I,
    pub(crate) address: Address,
    pub(crate) captured: Captured,
    #[cfg(feature = "sandbox")]
    pub(crate) sandbox: crate::sandbox::Report,
}

/// Handle of a supervisor task.
pub(crate) struct SupervisorHandle<P: Running, C: Codec> {
    pub(super) stop: watch::Sender<StopRequest>,
    pub(super) commands: mpsc::Sender<CommandRequest<P, C>>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) exit: watch::Receiver<Option<WorkerExit>>,
    pub(crate) identity: Arc<Mutex<Identity<P::Pid>>>,
}

impl<P: Running, C: Codec> SupervisorHandle<P, C> {
    /// Requests the worker's end. Does nothing if a stronger or equal request was made before.
    pub(crate) fn stop(&self, request: StopRequest) {
        self.stop.send_if_modified(|current| {
            let is_stronger = request > *current;
            *current = request.max(*current);
            is_stronger
        });
    }

    /// Sends `command` to the supervisor and waits for its result.
    ///
    /// # Errors
    /// The cause if the command failed; `Closed` if the worker has ended.
    pub(crate) async fn command(&self, command: Command<P, C>) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        // If the task is gone, the receivers of both channels are gone too.
        let _ = self.commands.send((command, done)).await;
        match outcome.await {
            Ok(Ok(None)) => Ok(()),
            // Fails if the worker was closed or killed meanwhile.
            Ok(Ok(Some(receipt))) => receipt.send(()).map_err(|()| unchanged(self.end_cause())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unchanged(self.end_cause())),
        }
    }

    /// Cause of errors of commands that the supervisor refuses, with the remedy.
    pub(crate) fn end_cause(&self) -> &'static str {
        match self.exit.borrow().as_ref().map(|exit| exit.reason) {
            None => "the worker is being drained or closed; start another",
            Some(ExitReason::Abandoned) => ABANDONED,
            Some(ExitReason::Detached) => "the worker was detached; `Attach` reaches it at its address",
            Some(_) => "the worker has ended; start another",
        }
    }

    pub(crate) fn status(&self) -> &watch::Receiver<Status> {
        &self.status
    }

    /// Returns `true` if the worker is running and no stop was requested.
    pub(crate) fn is_active(&self) -> bool {
        let is_running = matches!(*self.status.borrow(), Status::Active | Status::Disconnected);
        is_running && *self.stop.borrow() == StopRequest::None
    }

    pub(crate) fn identity(&self) -> Identity<P::Pid> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the worker has ended. Cancel-safe.
    pub(crate) async fn exit(&self) -> WorkerExit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        // The supervisor announces an exit even if it is dropped, so the default is never used.
        ended.unwrap_or(WorkerExit::new(ExitReason::Abandoned))
    }
}

/// Error of a reconnect of a worker that is connected.
pub(crate) fn connected() -> Error {
    let text = "could not reconnect to the worker: it is connected; `disconnect` it first";
    Error::new(ErrorKind::Config, text)
}

/// Error of a worker that was not disconnected, reconnected or detached.
pub(crate) fn unchanged(cause: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("could not change the connection to the worker: {cause}"))
}

/// Waits until at least `least` is requested. Dropping the last handle is also a request.
pub(super) async fn stop_requested(
    stop: &mut watch::Receiver<StopRequest>,
    least: StopRequest,
) -> StopRequest {
    match stop.wait_for(|request| *request >= least).await.map(|request| *request) {
        Ok(request) => request,
        Err(_) => std::future::pending().await,
    }
}
