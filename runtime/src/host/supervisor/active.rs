//! Service of the process that takes the calls: commands, and the decision about its successor.

use std::pin::{Pin, pin};
use std::sync::PoisonError;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, ExitReason};
use isolated_workers_transport::Transport;
use tokio::sync::oneshot;

use super::handle::stop_requested;
use super::incarnation::{Incarnation, ProcessEvent};
use super::shutdown::Finish;
use super::{Command, StopRequest, Supervisor, WorkerExit, unchanged, worker_detached};
use crate::Status;
use crate::connection::{Availability, CloseReason};
use crate::driver::Driver;
use crate::poll_on_wake::PollOnWake;
use crate::timeouts::{UNLIMITED, silent_for};

/// Time within which a worker must confirm that it lingers.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Outcome of one process.
pub(super) enum Next {
    /// The worker has ended for good.
    Ended(WorkerExit),
    /// The process has ended, and a successor is wanted.
    Respawn(ExitReason),
    /// The process has announced its end. It finishes its calls beside its successor.
    Succeed,
}

/// Function of a driver that releases a worker.
type Release<P> = fn(&mut P) -> Result<(), Error>;

/// Progress of a command.
enum Progress<P> {
    Done,
    /// The worker must confirm that it lingers. It is then released, if there is a function.
    Waiting(Option<Release<P>>),
    Detached(WorkerExit),
}

/// Command that waits until the worker confirms that it lingers.
struct Disconnect<P> {
    done: oneshot::Sender<Result<(), Error>>,
    release: Option<Release<P>>,
    late: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<P> Disconnect<P> {
    /// Waits until the worker is late. Never returns if no command waits.
    async fn late(waiting: &mut Option<Self>) {
        match waiting {
            Some(Self { late, .. }) => late.await,
            None => std::future::pending().await,
        }
    }

    fn fail(waiting: &mut Option<Self>, kind: ErrorKind, cause: &str) {
        if let Some(Self { done, .. }) = waiting.take() {
            let text = format!("could not disconnect the worker: {cause}");
            let _ = done.send(Err(Error::new(kind, text)));
        }
    }
}

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    /// Runs until the process has ended, or has announced its end and gets a successor.
    pub(super) async fn serve(&mut self, process: &mut Incarnation<D, C, T>) -> Next {
        let mut waiting: Option<Disconnect<D::Running>> = None;
        loop {
            let is_waiting = waiting.is_some();
            tokio::select! {
                biased;
                request = PollOnWake::new(stop_requested(&mut self.stop, StopRequest::Drain)) => {
                    let cause = "it was closed meanwhile; start another";
                    Disconnect::fail(&mut waiting, ErrorKind::Closed, cause);
                    self.status.send_replace(Status::Closing);
                    self.refuse_commands();
                    return Next::Ended(process.stop(request, &mut self.stop).await);
                }
                event = process.event(false) => match event {
                    ProcessEvent::Leaving => {
                        process.is_leaving = true;
                        // A worker that lingers has no calls, and its connection is about to end.
                        if !process.lingers {
                            return self.replace_or_finish(process).await;
                        }
                    }
                    ProcessEvent::Idle => {}
                    ProcessEvent::ConnectionEnded(CloseReason::Eof | CloseReason::GoAway { .. })
                        if process.lingers =>
                    {
                        process.connection = None;
                        if let Some(Disconnect { done, release, .. }) = waiting.take() {
                            let progress = release.map_or(Ok(Progress::Done), |it| self.detach(process, it));
                            if let Some(exit) = reply(&mut waiting, done, progress) {
                                return Next::Ended(exit);
                            }
                        }
                    }
                    event => {
                        let cause = "it ended, or its connection broke; start another";
                        Disconnect::fail(&mut waiting, ErrorKind::Crashed, cause);
                        let reason = process.end_after(event, &mut self.stop).await;
                        return self.crashed(process, reason).await;
                    }
                },
                () = PollOnWake::new(Disconnect::late(&mut waiting)) => {
                    let cause = format!(
                        "it did not confirm within {DISCONNECT_TIMEOUT:?}; its runtime may be busy; \
                         `disconnect` waits again, `kill` ends it"
                    );
                    Disconnect::fail(&mut waiting, ErrorKind::Timeout, &cause);
                }
                // While one command waits, the next one does too.
                Some((command, done)) = PollOnWake::new(self.commands.recv()), if !is_waiting => {
                    let progress = self.execute(process, command);
                    if let Some(exit) = reply(&mut waiting, done, progress) {
                        return Next::Ended(exit);
                    }
                }
            }
        }
    }

    fn execute(
        &mut self,
        process: &mut Incarnation<D, C, T>,
        command: Command<D::Running, C>,
    ) -> Result<Progress<D::Running>, Error> {
        let is_connected = process.connection.is_some();
        match command {
            Command::Disconnect { .. } if !is_connected => {
                Err(unchanged("the worker is disconnected already; call `reconnect`"))
            }
            Command::Disconnect { linger } => {
                self.disconnect(process, linger)?;
                Ok(Progress::Waiting(None))
            }
            Command::Reconnect { connect } => {
                process.reconnect(connect());
                self.status.send_replace(Status::Active);
                Ok(Progress::Done)
            }
            Command::Detach { check, release } => {
                check(&process.running)?;
                if !is_connected {
                    return self.detach(process, release);
                }
                self.disconnect(process, UNLIMITED)?;
                Ok(Progress::Waiting(Some(release)))
            }
        }
    }

    /// Asks the worker to linger. Does nothing if it was asked before.
    fn disconnect(&mut self, process: &mut Incarnation<D, C, T>, linger: Duration) -> Result<(), Error> {
        if process.lingers {
            return Ok(());
        }
        if let Some(listener) = &mut process.deferred_listener {
            let (place, cleanup) = listener.open().map_err(|error| {
                let text = "could not disconnect the worker, which stays connected: \
                            there is nowhere to reach it again";
                Error::with_source(ErrorKind::Config, text, error)
            })?;
            (process.deferred_listener, process.cleanup) = (None, Some(cleanup));
            self.identity.lock().unwrap_or_else(PoisonError::into_inner).address.place = place;
        }
        // The status changes before any call fails.
        self.status.send_replace(Status::Disconnected);
        process.disconnect(if linger.is_zero() { UNLIMITED } else { linger });
        Ok(())
    }

    fn detach(
        &self,
        process: &mut Incarnation<D, C, T>,
        release: Release<D::Running>,
    ) -> Result<Progress<D::Running>, Error> {
        release(&mut process.running)?;
        self.link.fail(Availability::Closed, worker_detached);
        if let Some(cleanup) = &process.cleanup {
            cleanup.disarm();
        }
        Ok(Progress::Detached(WorkerExit::new(ExitReason::Detached)))
    }

    /// Continues after the worker has announced its end.
    async fn replace_or_finish(&mut self, process: &mut Incarnation<D, C, T>) -> Next {
        if self.starter.settings.on_crash.respawns() {
            self.status.send_replace(Status::Starting);
            return Next::Succeed;
        }
        self.status.send_replace(Status::Closing);
        let mut stop = self.stop.clone();
        let finished = {
            let mut finish = pin!(process.finish(&mut stop));
            loop {
                tokio::select! {
                    biased;
                    finished = &mut finish => break finished,
                    Some((_, done)) = self.commands.recv() => {
                        let cause = "the worker has announced its end and finishes its calls; start another";
                        let _ = done.send(Err(unchanged(cause)));
                    }
                }
            }
        };
        match finished {
            Finish::Closed(exit) => Next::Ended(exit),
            Finish::Exited(reason) => self.crashed(process, reason).await,
        }
    }

    /// Fails the calls in flight after the end of the process. Decides if it gets a successor.
    async fn crashed(&mut self, process: &mut Incarnation<D, C, T>, reason: ExitReason) -> Next {
        let crash = process.crash(reason).await;
        let is_wanted = self.link.has_respawn_interest() || reason == ExitReason::Overran;
        let is_stopped = *self.stop.borrow() > StopRequest::None;
        // The status changes before any call fails: a caller that then checks if the worker is
        // active must get `false`.
        if !is_stopped && self.starter.settings.on_crash.respawns_for(is_wanted) {
            tracing::warn!(pid = crash.pid, %reason, "respawning a worker");
            self.status.send_replace(Status::Starting);
            process.fail_calls(&crash, Availability::Starting);
            Next::Respawn(reason)
        } else {
            let exit = WorkerExit { crash: Some(crash.clone()), ..WorkerExit::new(reason) };
            self.announce(exit.clone());
            process.fail_calls(&crash, Availability::Closed);
            Next::Ended(exit)
        }
    }
}

/// Replies to a command, or lets it wait. Returns the exit if the worker was detached.
fn reply<P>(
    waiting: &mut Option<Disconnect<P>>,
    done: oneshot::Sender<Result<(), Error>>,
    progress: Result<Progress<P>, Error>,
) -> Option<WorkerExit> {
    let (result, exit) = match progress {
        Ok(Progress::Waiting(release)) => {
            *waiting = Some(Disconnect { done, release, late: Box::pin(silent_for(DISCONNECT_TIMEOUT)) });
            return None;
        }
        Ok(Progress::Done) => (Ok(()), None),
        Ok(Progress::Detached(exit)) => (Ok(()), Some(exit)),
        Err(error) => (Err(error), None),
    };
    // Ignored: the caller may have given up.
    let _ = done.send(result);
    exit
}
