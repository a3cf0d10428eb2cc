use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isolated_workers_core::{Crash, Error, ExitReason};
use tokio::sync::{mpsc, oneshot, watch};

use super::unchanged;
use crate::Status;
use crate::connection::End;
use crate::driver::{Address, Captured, Running};

/// What is wanted of a worker. A later one overrules an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Not,
    Drain,
    Close,
    Kill,
}

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) reason: ExitReason,
    pub(crate) killed_after_grace: bool,
    /// Where nobody had told it to end.
    pub(crate) crash: Option<Crash>,
}

impl Ending {
    pub(super) fn of(reason: ExitReason) -> Self {
        Self { reason, killed_after_grace: false, crash: None }
    }
}

/// The task of a connection, whatever its transport.
pub(crate) type Pumping = Pin<Box<dyn Future<Output = End> + Send>>;

/// What is done to a running worker.
pub(crate) enum Command<P> {
    /// Leaves the worker, which is to wait for so long until it is reached again.
    Disconnect { linger: Duration },
    /// Goes on with another connection.
    Reconnect { pump: Pumping },
    /// Leaves the worker for good.
    Detach { check: fn(&P) -> Result<(), Error>, let_go: fn(&mut P) -> Result<(), Error> },
}

/// A command, and where to say how it went.
pub(super) type Order<P> = (Command<P>, oneshot::Sender<Result<(), Error>>);

/// Which worker it is now: another one each time that it is started.
#[derive(Clone)]
pub(crate) struct Identity<I> {
    pub(crate) pid: I,
    pub(crate) address: Address,
    pub(crate) captured: Captured,
}

/// The handle of the supervisor's task.
pub(crate) struct Control<P: Running> {
    pub(super) stop: watch::Sender<Stop>,
    pub(super) orders: mpsc::Sender<Order<P>>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) ended: watch::Receiver<Option<Ending>>,
    pub(super) identity: Arc<Mutex<Identity<P::Pid>>>,
}

impl<P: Running> Control<P> {
    pub(crate) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|wanted| {
            let more = stop > *wanted;
            *wanted = stop.max(*wanted);
            more
        });
    }

    /// # Errors
    /// What kept the command from being carried out; `Closed` where the worker has ended.
    pub(crate) async fn command(&self, command: Command<P>) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        // Where the task is gone, so is the other end of either channel.
        let _ = self.orders.send((command, done)).await;
        outcome.await.unwrap_or_else(|_| Err(unchanged("it has ended; start another")))
    }

    pub(crate) fn status(&self) -> &watch::Receiver<Status> {
        &self.status
    }

    /// Whether it is there, and nobody wants it not to be.
    pub(crate) fn is_active(&self) -> bool {
        let is_there = matches!(*self.status.borrow(), Status::Active | Status::Disconnected);
        is_there && *self.stop.borrow() == Stop::Not
    }

    pub(crate) fn identity(&self) -> Identity<P::Pid> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn ended(&self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = ended.wait_for(Option::is_some).await.ok().and_then(|ending| ending.clone());
        // The task was dropped with its runtime, and the process with it.
        ending.unwrap_or(Ending::of(ExitReason::Disconnected))
    }
}
