//! Supervisor task: owns a worker's process and connection until both have ended, and respawns the
//! worker if the crash policy allows it.
//!
//! [`handle`] is the interface for other modules, `shutdown` goes from drain to kill, and `respawn`
//! starts a new process.

mod handle;
mod respawn;
mod shutdown;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use isolated_workers_transport::{Cleanup, DeferredListener, Transport};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::handle::CommandRequest;
pub(crate) use self::handle::{
    BoxConnectionTask, Command, Identity, StopRequest, SupervisorHandle, WorkerExit, unchanged,
};
use self::shutdown::stop_requested;
use crate::Status;
use crate::connection::{Availability, CloseReason, ConnectionTask, Link, LinkOwner, RejectAll};
use crate::driver::{Driver, Running};
use crate::host::starter::{Greeted, Started, Starter};
use crate::timeouts::{EXIT_TIMEOUT, FINAL_READ_TIMEOUT, UNLIMITED};

/// Cause of errors after the supervisor was dropped before its end, with the remedy.
pub(crate) const ABANDONED: &str = "the task that supervises it was dropped, because the runtime on which the \
                                    worker was spawned was shut down, or because the task panicked; spawn the \
                                    worker on a runtime that outlives it";

/// Time within which a worker must confirm that it lingers.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts a worker for `link`, and its supervisor. Leaves nothing behind if it fails or is dropped.
pub(crate) async fn launch<D: Driver, C: Codec, T: Transport>(
    starter: &Arc<Starter<D, C, T>>,
    link: Link<C>,
) -> Result<SupervisorHandle<D::Running>, Error> {
    let limits = starter.settings.limits;
    let (status, status_receiver) = watch::channel(Status::Starting);
    let Started { running, stream, deferred_listener, cleanup, address } = starter.start(&status).await?;
    let Greeted { reader, writer, buffer } = stream;
    link.reconnect(limits, writer);
    let connection = Box::pin(ConnectionTask::new(link.clone(), limits, reader, buffer, RejectAll));
    let (stop, stop_receiver) = watch::channel(StopRequest::None);
    let (command_sender, commands) = mpsc::channel(1);
    let (exit, exit_receiver) = watch::channel(None);
    let identity =
        Arc::new(Mutex::new(Identity { pid: running.pid(), address, captured: running.captured() }));
    status.send_replace(Status::Active);
    let supervisor = Supervisor {
        starter: Arc::clone(starter),
        running,
        deferred_listener,
        cleanup,
        link: LinkOwner::new(link),
        stop: stop_receiver,
        commands,
        status,
        exit,
        identity: Arc::clone(&identity),
        started: Instant::now(),
        early_deaths: 0,
        violation: None,
    };
    tokio::spawn(supervisor.run(connection));
    Ok(SupervisorHandle {
        stop,
        commands: command_sender,
        status: status_receiver,
        exit: exit_receiver,
        identity,
        runtime: Handle::current(),
    })
}

struct Supervisor<D: Driver, C: Codec, T> {
    starter: Arc<Starter<D, C, T>>,
    running: D::Running,
    /// Opened before the worker is disconnected or detached.
    deferred_listener: Option<DeferredListener>,
    /// Runs when the worker has ended.
    cleanup: Option<Cleanup>,
    link: LinkOwner<C>,
    stop: watch::Receiver<StopRequest>,
    commands: mpsc::Receiver<CommandRequest<D::Running>>,
    status: watch::Sender<Status>,
    exit: watch::Sender<Option<WorkerExit>>,
    identity: Arc<Mutex<Identity<<D::Running as Running>::Pid>>>,
    /// Start of the current process.
    started: Instant,
    /// Number of processes in a row that died soon after their start.
    early_deaths: u32,
    /// Protocol violation that ended the connection, if there was one.
    violation: Option<Error>,
}

/// Outcome of one process.
enum Outcome {
    /// The worker has ended for good.
    Ended(WorkerExit),
    /// The process died, and a respawn is wanted.
    Respawn(ExitReason),
}

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    async fn run(mut self, mut connection: BoxConnectionTask) {
        let exit = loop {
            match self.supervise_process(Some(connection)).await {
                Outcome::Ended(exit) => break exit,
                Outcome::Respawn(reason) => match self.respawn().await {
                    Some(next) => connection = next,
                    None => break WorkerExit::new(reason),
                },
            }
        };
        self.link.close_stream();
        self.announce(exit);
    }

    /// Runs until the current process has ended. `connection` is `None` while it is disconnected.
    async fn supervise_process(&mut self, mut connection: Option<BoxConnectionTask>) -> Outcome {
        let heartbeat = self.starter.settings.heartbeat;
        let link = self.link.clone();
        let mut unresponsive = pin!(async {
            match heartbeat {
                Some(heartbeat) => heartbeat.watch(&link).await,
                None => std::future::pending().await,
            }
        });
        loop {
            tokio::select! {
                biased;
                request = stop_requested(&mut self.stop, StopRequest::Drain) => {
                    return self.stop(request, connection).await;
                }
                Some((command, done)) = self.commands.recv() => {
                    let (outcome, exit) = match self.execute(command, &mut connection).await {
                        Ok(exit) => (Ok(()), exit),
                        Err(error) => (Err(error), None),
                    };
                    let _ = done.send(outcome);
                    if let Some(exit) = exit {
                        return Outcome::Ended(exit);
                    }
                }
                end = closed(&mut connection) => {
                    let reason = self.exit_after(end).await;
                    return self.crashed(reason).await;
                }
                reason = self.running.wait() => {
                    // Replies that were written before the process died are still delivered.
                    let _ = timeout(FINAL_READ_TIMEOUT, closed(&mut connection)).await;
                    return self.crashed(reason).await;
                }
                // Polled after the connection, which may just have received data.
                () = &mut unresponsive, if connection.is_some() => {
                    tracing::warn!(pid = self.pid(), "killing a worker that does not answer pings");
                    self.kill(false).await;
                    return self.crashed(ExitReason::Unresponsive).await;
                }
            }
        }
    }

    /// Executes a command. Returns the exit if the command detaches the worker.
    async fn execute(
        &mut self,
        command: Command<D::Running>,
        connection: &mut Option<BoxConnectionTask>,
    ) -> Result<Option<WorkerExit>, Error> {
        match command {
            Command::Disconnect { linger } => {
                self.disconnect(linger, connection).await?;
                self.status.send_replace(Status::Disconnected);
                Ok(None)
            }
            Command::Reconnect { connect } => {
                *connection = Some(connect());
                self.status.send_replace(Status::Active);
                Ok(None)
            }
            Command::Detach { check, release } => {
                check(&self.running)?;
                if connection.is_some() {
                    self.disconnect(UNLIMITED, connection).await?;
                }
                release(&mut self.running)?;
                self.link.fail(Availability::Closed, worker_detached);
                if let Some(cleanup) = &self.cleanup {
                    cleanup.disarm();
                }
                Ok(Some(WorkerExit::new(ExitReason::Detached)))
            }
        }
    }

    /// Ends the connection, and returns when the worker has confirmed that it lingers.
    async fn disconnect(
        &mut self,
        linger: Duration,
        connection: &mut Option<BoxConnectionTask>,
    ) -> Result<(), Error> {
        let Some(task) = connection else {
            return Err(unchanged("the worker is disconnected already; call `reconnect`"));
        };
        if let Some(listener) = &mut self.deferred_listener {
            let (place, cleanup) = listener.open().map_err(|error| {
                let text = "could not disconnect the worker, which stays connected: \
                            there is nowhere to reach it again";
                Error::with_source(ErrorKind::Config, text, error)
            })?;
            (self.deferred_listener, self.cleanup) = (None, Some(cleanup));
            self.identity.lock().unwrap_or_else(PoisonError::into_inner).address.place = place;
        }
        let linger = if linger.is_zero() { UNLIMITED } else { linger };
        self.link.close(Some(linger), worker_disconnected);
        let confirmed = timeout(DISCONNECT_TIMEOUT, task).await;
        *connection = None;
        match confirmed {
            Ok(CloseReason::Eof | CloseReason::GoAway { .. }) => Ok(()),
            Ok(end) => Err(Error::new(
                ErrorKind::Crashed,
                format!("could not disconnect the worker: the connection broke ({end:?}); start another"),
            )),
            Err(_) => {
                let cause =
                    format!("it did not confirm within {DISCONNECT_TIMEOUT:?}; its runtime may be busy");
                let remedy = "close it, or disconnect it when its handlers are done";
                let text = format!("could not disconnect the worker: {cause}; {remedy}");
                Err(Error::new(ErrorKind::Timeout, text))
            }
        }
    }

    /// Waits for the process to exit after its connection has ended. Both normally end together.
    async fn exit_after(&mut self, end: CloseReason) -> ExitReason {
        if let CloseReason::Overran = end {
            self.kill(false).await;
            return ExitReason::Overran;
        }
        if let CloseReason::Violated(error) = &end {
            self.violation = Some(error.clone());
        }
        self.running.connection_over();
        if let Ok(reason) = timeout(EXIT_TIMEOUT, self.running.wait()).await {
            return reason;
        }
        tracing::warn!(pid = self.pid(), ?end, "killing a worker that has closed its connection");
        self.kill(false).await;
        match end {
            CloseReason::Violated(_) => ExitReason::Violated,
            CloseReason::Eof | CloseReason::GoAway { .. } | CloseReason::Broken(_) | CloseReason::Overran => {
                ExitReason::Disconnected
            }
        }
    }

    fn pid(&self) -> Option<u32> {
        self.running.pid().into()
    }

    async fn crashed(&mut self, reason: ExitReason) -> Outcome {
        let crash = self.crash(reason).await;
        let is_wanted = self.link.has_respawn_interest() || reason == ExitReason::Overran;
        // The status changes before any call fails: a caller that then checks if the worker is
        // active must get `false`.
        if self.starter.settings.on_crash.respawns_for(is_wanted) {
            tracing::warn!(pid = crash.pid, %reason, "respawning a worker");
            self.status.send_replace(Status::Starting);
            self.fail_calls(&crash, Availability::Starting);
            Outcome::Respawn(reason)
        } else {
            let exit = WorkerExit { crash: Some(crash.clone()), ..WorkerExit::new(reason) };
            self.announce(exit.clone());
            self.fail_calls(&crash, Availability::Closed);
            Outcome::Ended(exit)
        }
    }

    async fn crash(&mut self, reason: ExitReason) -> Crash {
        let mut crash = Crash::new(reason);
        crash.pid = self.pid();
        self.running.explain(&mut crash).await;
        crash.bystander = self.link.has_suspect();
        crash.violation = self.violation.take().map(|error| error.to_string());
        crash
    }

    fn fail_calls(&self, crash: &Crash, presence: Availability) {
        self.link.fail(presence, |message| {
            let mut crash = crash.clone();
            crash.message = Some(message.to_owned());
            Error::crashed(crash)
        });
    }
}

impl<D: Driver, C: Codec, T> Supervisor<D, C, T> {
    fn announce(&self, exit: WorkerExit) {
        self.status.send_replace(Status::Closed);
        self.exit.send_replace(Some(exit));
    }
}

impl<D: Driver, C: Codec, T> Drop for Supervisor<D, C, T> {
    /// Ends everything that waits for the worker if this task is dropped before its end, usually
    /// with its runtime. The owner of the link then ends its calls, and the destructor of the
    /// process kills it.
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.announce(WorkerExit::new(ExitReason::Abandoned));
        }
    }
}

/// Waits until the connection has ended. Never returns if there is no connection.
async fn closed(connection: &mut Option<BoxConnectionTask>) -> CloseReason {
    match connection {
        Some(task) => task.await,
        None => std::future::pending().await,
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

fn worker_detached(message: &str) -> Error {
    let remedy = "`Attach` reaches it at the address that `detach` returned";
    Error::new(
        ErrorKind::Closed,
        format!("the worker was detached while `{message}` was in flight; {remedy}"),
    )
}
