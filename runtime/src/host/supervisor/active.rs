//! Service of the process that takes the calls: commands, and the decision about its successor.

use std::pin::pin;
use std::sync::PoisonError;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, ExitReason, GoAway};
use isolated_workers_transport::Transport;

use super::handle::{CommandSender, Connect, Release, connected, stop_requested};
use super::incarnation::{Incarnation, ProcessEvent};
use super::pending_command::{CONFIRM_TIMEOUT, PendingCommand, Step, StepEnd};
use super::shutdown::Finish;
use super::{Command, StopRequest, Supervisor, WorkerExit, unchanged};
use crate::Status;
use crate::connection::{Availability, CloseReason};
use crate::driver::Driver;
use crate::poll_on_wake::PollOnWake;

/// Outcome of one process.
pub(super) enum Next {
    /// The worker has ended for good.
    Ended(WorkerExit),
    /// The process has ended, and a successor is wanted.
    Respawn(ExitReason),
    /// The process has announced its end. It finishes its calls beside its successor.
    Succeed,
}

/// Pending command of a worker on the driver `D`.
type Pending<D, C> = PendingCommand<<D as Driver>::Running, C>;

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    /// Runs until the process has ended, or has announced its end and gets a successor.
    pub(super) async fn serve(&mut self, process: &mut Incarnation<D, C, T>) -> Next {
        let mut pending: Option<Pending<D, C>> = None;
        loop {
            let is_pending = pending.is_some() || process.is_delivering();
            tokio::select! {
                biased;
                request = PollOnWake::new(stop_requested(&mut self.stop, StopRequest::Drain)) => {
                    let cause = "it was closed meanwhile; start another";
                    PendingCommand::fail(&mut pending, ErrorKind::Closed, cause);
                    if process.is_taken() {
                        process.leave();
                        return Next::Ended(WorkerExit::new(ExitReason::Detached));
                    }
                    process.keep();
                    let drains = request < StopRequest::Close;
                    let availability = if drains { Availability::Draining } else { Availability::Closed };
                    process.link.stop_calls(availability);
                    self.status.send_replace(Status::Closing);
                    self.refuse_commands();
                    return Next::Ended(process.stop(request, &mut self.stop).await);
                }
                event = process.event(false) => match event {
                    ProcessEvent::Detachable if process.is_detaching => process.link.go_away(GoAway::Detach),
                    ProcessEvent::Detached if process.is_detaching => {
                        match pending.take().map(PendingCommand::into_parts) {
                            Some((done, Some(release))) => deliver(process, done, &release),
                            _ => process.keep(),
                        }
                    }
                    ProcessEvent::Delivered { is_taken: true } => {
                        process.leave();
                        return Next::Ended(WorkerExit::new(ExitReason::Detached));
                    }
                    ProcessEvent::Delivered { is_taken: false } => process.keep(),
                    // It has not read yet that it is kept.
                    ProcessEvent::Detachable | ProcessEvent::Detached if process.lingers => {}
                    ProcessEvent::Leaving | ProcessEvent::Detachable | ProcessEvent::Detached => {
                        process.is_leaving = true;
                        // A worker that lingers has no calls, and its connection is about to end.
                        if !process.lingers {
                            return self.replace_or_finish(process).await;
                        }
                    }
                    ProcessEvent::Idle => {}
                    // A worker confirms a disconnect at once, and so may end its direction within
                    // the frame that it is writing.
                    ProcessEvent::ConnectionEnded(ref end)
                        if process.lingers
                            && !process.is_leaving
                            && (end.is_end_of_stream() || matches!(end, CloseReason::GoAway(_))) =>
                    {
                        (process.connection, process.is_detaching) = (None, false);
                        if let Some(command) = pending.take_if(|it| it.awaits_confirmation()) {
                            confirmed(command);
                        }
                    }
                    event => {
                        let cause = "it ended, or its connection broke; start another";
                        PendingCommand::fail(&mut pending, ErrorKind::Crashed, cause);
                        let reason = process.end_after(event, &mut self.stop).await;
                        return self.crashed(process, reason).await;
                    }
                },
                end = PollOnWake::new(PendingCommand::ended(&mut pending)) => match end {
                    StepEnd::Late => {
                        let cause = format!(
                            "it did not confirm within {CONFIRM_TIMEOUT:?}; its runtime may be busy; \
                             `disconnect` waits again, `kill` ends it"
                        );
                        PendingCommand::fail(&mut pending, ErrorKind::Timeout, &cause);
                        process.keep();
                    }
                    StepEnd::GivenUp => {
                        pending = None;
                        process.keep();
                    }
                    StepEnd::Dialed(dialed) => {
                        if let Some(command) = pending.take() {
                            let (done, release) = command.into_parts();
                            let step = dialed.and_then(|connect| self.dialed(process, connect, release));
                            pending = begin(done, step);
                        }
                    }
                },
                // While one command waits, the next one does too.
                Some((command, done)) = PollOnWake::new(self.commands.recv()), if !is_pending => {
                    pending = begin(done, self.execute(process, command));
                }
            }
        }
    }

    /// Begins a command. Returns what it waits for, or `None` if it is done.
    fn execute(
        &mut self,
        process: &mut Incarnation<D, C, T>,
        command: Command<D::Running, C>,
    ) -> Result<Option<Step<D::Running, C>>, Error> {
        let is_connected = process.connection.is_some();
        match command {
            Command::Disconnect if !is_connected => {
                Err(unchanged("the worker is disconnected already; call `reconnect`"))
            }
            Command::Disconnect => {
                self.disconnect(process, GoAway::Linger(self.starter.settings.timeouts.linger()))?;
                Ok(Some(Step::confirm(None)))
            }
            Command::Reconnect { .. } if !process.lingers => Err(connected()),
            Command::Reconnect { dial } => Ok(Some(Step::Dial { dial, release: None })),
            Command::Detach { release, dial } => {
                (release.check)(&process.running)?;
                if process.lingers {
                    return Ok(Some(Step::Dial { dial, release: Some(release) }));
                }
                self.disconnect(process, GoAway::PrepareDetach)?;
                Ok(Some(Step::confirm(Some(release))))
            }
        }
    }

    /// Continues over the connection that a lingering worker has accepted.
    fn dialed(
        &mut self,
        process: &mut Incarnation<D, C, T>,
        connect: Connect<C>,
        release: Option<Release<D::Running>>,
    ) -> Result<Option<Step<D::Running, C>>, Error> {
        process.reconnect(connect());
        if release.is_some() {
            self.disconnect(process, GoAway::PrepareDetach)?;
            return Ok(Some(Step::confirm(release)));
        }
        self.status.send_replace(Status::Active);
        Ok(None)
    }

    /// Asks the worker to wait for another connection. Does nothing if it was asked before.
    fn disconnect(&mut self, process: &mut Incarnation<D, C, T>, go_away: GoAway) -> Result<(), Error> {
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
        process.link.stop_calls(Availability::Disconnected);
        self.status.send_replace(Status::Disconnected);
        process.disconnect(go_away);
        Ok(())
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
        // It was not reconnected in time. A successor would not have its state.
        let has_lingered = process.lingers && reason == ExitReason::Exited(0);
        // The status changes before any call fails: a caller that then checks if the worker is
        // active must get `false`.
        if !is_stopped && !has_lingered && self.starter.settings.on_crash.respawns_for(is_wanted) {
            tracing::warn!(pid = crash.pid, %reason, "respawning a worker");
            process.link.stop_calls(Availability::Starting);
            self.status.send_replace(Status::Starting);
            process.fail_calls(&crash, Availability::Starting);
            Next::Respawn(reason)
        } else {
            let exit = WorkerExit { crash: Some(crash.clone()), ..WorkerExit::new(reason) };
            process.link.stop_calls(Availability::Closed);
            self.announce(exit.clone());
            process.fail_calls(&crash, Availability::Closed);
            Next::Ended(exit)
        }
    }
}

/// Replies to a command, or keeps it if it waits for `step`.
fn begin<P, C: Codec>(
    done: CommandSender,
    step: Result<Option<Step<P, C>>, Error>,
) -> Option<PendingCommand<P, C>> {
    match step {
        Ok(Some(step)) => return Some(PendingCommand::new(done, step)),
        // Ignored: the caller may have given up.
        Ok(None) => drop(done.send(Ok(None))),
        Err(error) => drop(done.send(Err(error))),
    }
    None
}

/// Completes a command after the worker has ended its stream.
fn confirmed<P, C: Codec>(command: PendingCommand<P, C>) {
    let (done, release) = command.into_parts();
    let result = match release {
        None => Ok(None),
        Some(_) => {
            let cause = "the worker ended its connection and did not confirm that it is detached; it does not \
                         know how, or has ended; keep its host running";
            Err(unchanged(cause))
        }
    };
    // Ignored: the caller may have given up.
    let _ = done.send(result);
}

/// Releases a detached worker, and tells the caller that waits for that.
fn deliver<D: Driver, C: Codec, T: Transport>(
    process: &mut Incarnation<D, C, T>,
    done: CommandSender,
    release: &Release<D::Running>,
) {
    match process.release(release) {
        // A caller that is gone drops the receipt.
        Ok(receipt) => drop(done.send(Ok(Some(receipt)))),
        Err(error) => {
            process.keep();
            drop(done.send(Err(error)));
        }
    }
}
