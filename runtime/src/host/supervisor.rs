//! Supervisor task: owns the processes of a worker until all have ended, and respawns the worker if
//! the crash policy allows it.
//!
//! [`handle`] is the interface for other modules. An `incarnation` is one process with its
//! connection. `active` serves its commands, `shutdown` goes from drain to kill, and `respawn`
//! starts the next one.

mod active;
mod connection;
mod handle;
mod incarnation;
mod pending_command;
mod respawn;
mod shutdown;

use std::sync::{Arc, Mutex};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, ExitReason};
use isolated_workers_transport::Transport;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use self::active::Next;
pub(crate) use self::connection::WorkerConnection;
use self::handle::CommandRequest;
pub(crate) use self::handle::{
    Command, Connect, Dial, Identity, Release, StopRequest, SupervisorHandle, WorkerExit, connected,
    unchanged,
};
use self::incarnation::Incarnation;
use crate::Status;
use crate::connection::{Availability, Link, LinkOwner};
use crate::driver::{Driver, Running};
use crate::host::starter::Starter;

/// Cause of errors after the supervisor was dropped before its end, with the remedy.
pub(crate) const ABANDONED: &str = "the task that supervises it was dropped, because the runtime on which the \
                                    worker was spawned was shut down, or because the task panicked; spawn the \
                                    worker on a runtime that outlives it";

/// Starts a worker for `link`, and its supervisor. Leaves nothing behind if it fails or is dropped.
pub(crate) async fn launch<D: Driver, C: Codec, T: Transport>(
    starter: &Arc<Starter<D, C, T>>,
    link: Link<C>,
) -> Result<SupervisorHandle<D::Running, C>, Error> {
    let (status, status_receiver) = watch::channel(Status::Starting);
    let started = starter.start(&status).await?;
    let (stop, stop_receiver) = watch::channel(StopRequest::None);
    let (command_sender, commands) = mpsc::channel(1);
    let (exit, exit_receiver) = watch::channel(None);
    let identity = Arc::new(Mutex::new(Identity {
        pid: started.running.pid(),
        address: started.address.clone(),
        captured: started.running.captured(),
        #[cfg(feature = "sandbox")]
        sandbox: started.sandbox.clone(),
    }));
    let first = Incarnation::new(starter, link.clone(), started);
    status.send_replace(Status::Active);
    let supervisor = Supervisor {
        starter: Arc::clone(starter),
        link: LinkOwner::new(link),
        stop: stop_receiver,
        commands,
        status,
        exit,
        identity: Arc::clone(&identity),
        predecessors: JoinSet::new(),
        has_killed_predecessor: false,
        early_deaths: 0,
    };
    tokio::spawn(supervisor.run(first));
    Ok(SupervisorHandle {
        stop,
        commands: command_sender,
        status: status_receiver,
        exit: exit_receiver,
        identity,
    })
}

struct Supervisor<D: Driver, C: Codec, T> {
    starter: Arc<Starter<D, C, T>>,
    link: LinkOwner<C>,
    stop: watch::Receiver<StopRequest>,
    commands: mpsc::Receiver<CommandRequest<D::Running, C>>,
    status: watch::Sender<Status>,
    exit: watch::Sender<Option<WorkerExit>>,
    identity: Arc<Mutex<Identity<<D::Running as Running>::Pid>>>,
    /// Processes that have announced their end, and finish their calls beside their successor.
    predecessors: JoinSet<WorkerExit>,
    /// `true` if one of them had to be killed at the end of its grace period.
    has_killed_predecessor: bool,
    /// Number of processes in a row that died soon after their start.
    early_deaths: u32,
}

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    async fn run(mut self, first: Incarnation<D, C, T>) {
        let mut exit = self.run_processes(first).await;
        self.refuse_commands();
        while let Some(ended) = self.predecessors.join_next().await {
            exit = exit.or_else(|| ended.as_ref().ok().cloned());
            self.predecessor_ended(ended);
        }
        self.link.close_stream();
        let mut exit = exit.unwrap_or(WorkerExit::new(ExitReason::Disconnected));
        exit.killed_after_grace |= self.has_killed_predecessor;
        self.announce(exit);
    }

    /// Runs one process after the other. Returns the end of the last one, or `None` if only
    /// predecessors are left.
    async fn run_processes(&mut self, mut current: Incarnation<D, C, T>) -> Option<WorkerExit> {
        loop {
            let next = self.serve(&mut current).await;
            let uptime = current.started.elapsed();
            let reason = match next {
                Next::Ended(exit) => return Some(exit),
                Next::Respawn(reason) => Some(reason),
                Next::Succeed => {
                    // Ends the calls that are left if the task is dropped.
                    let owner = LinkOwner::new(current.hand_over());
                    let mut stop = self.stop.clone();
                    while let Some(ended) = self.predecessors.try_join_next() {
                        self.predecessor_ended(ended);
                    }
                    self.predecessors.spawn(async move {
                        let _owner = owner;
                        current.finish_for_good(&mut stop).await
                    });
                    None
                }
            };
            current = match self.respawn(uptime).await {
                Some(successor) => successor,
                None => return reason.map(WorkerExit::new),
            };
        }
    }
}

impl<D: Driver, C: Codec, T> Supervisor<D, C, T> {
    fn predecessor_ended(&mut self, ended: Result<WorkerExit, JoinError>) {
        self.has_killed_predecessor |= ended.is_ok_and(|ended| ended.killed_after_grace);
    }

    fn announce(&self, exit: WorkerExit) {
        self.status.send_replace(Status::Closed);
        self.exit.send_replace(Some(exit));
    }

    /// Lets all further commands fail at once.
    fn refuse_commands(&mut self) {
        (_, self.commands) = mpsc::channel(1);
    }
}

impl<D: Driver, C: Codec, T> Drop for Supervisor<D, C, T> {
    /// Ends everything that waits for the worker if this task is dropped before its end, usually
    /// with its runtime. The owner of the link then ends its calls, and the destructors of the
    /// processes kill them.
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.announce(WorkerExit::new(ExitReason::Abandoned));
        }
    }
}

fn worker_closed(message: &str) -> Error {
    let remedy = "`drain` lets calls finish first";
    Error::new(ErrorKind::Closed, format!("the worker was closed while `{message}` was in flight; {remedy}"))
}

fn worker_disconnected(message: &str) -> Error {
    let remedy = "`reconnect` reaches it again";
    let text = format!("the worker was disconnected while `{message}` was in flight; {remedy}");
    Error::new(ErrorKind::Closed, text)
}

/// Ends the connection of a worker that was detached and delivered.
pub(crate) fn leave<C: Codec>(link: &Link<C>) {
    link.fail(Availability::Closed, worker_detached);
    link.close_stream();
}

fn worker_detached(message: &str) -> Error {
    let remedy = "`Attach` reaches it at the address that `detach` returned";
    Error::new(
        ErrorKind::Closed,
        format!("the worker was detached while `{message}` was in flight; {remedy}"),
    )
}
