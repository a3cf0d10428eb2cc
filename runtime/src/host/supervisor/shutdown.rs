//! End of a process that is drained or closed: calls in flight, go-away, SIGTERM, SIGKILL.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{ExitReason, GoAway};
use isolated_workers_transport::Transport;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::handle::stop_requested;
use super::incarnation::{Incarnation, ProcessEvent};
use super::{StopRequest, WorkerExit, worker_closed};
use crate::Timeouts;
use crate::connection::{Availability, CloseReason};
use crate::driver::{Driver, Running};
use crate::timeouts::silent_for;

/// Maximum time that a worker gets to react to a go-away before SIGTERM. It is a fifth of
/// `Timeouts::close` if that is shorter.
const MAX_GO_AWAY_TIME: Duration = Duration::from_secs(1);

/// Result of waiting for the end of a process that was asked to end.
enum Ending {
    Exited(ExitReason),
    /// A stronger request was made meanwhile.
    Requested(StopRequest),
    /// The process did not end in time.
    Late,
}

/// End of a process whose calls were to be finished.
pub(super) enum Finish {
    /// The process was closed or killed.
    Closed(WorkerExit),
    /// The process ended on its own.
    Exited(ExitReason),
}

impl<D: Driver, C: Codec, T: Transport> Incarnation<D, C, T> {
    /// Ends the process because of `request`. No successor is started.
    pub(super) async fn stop(
        &mut self,
        request: StopRequest,
        stop: &mut watch::Receiver<StopRequest>,
    ) -> WorkerExit {
        if request >= StopRequest::Close {
            return self.close_or_kill(request, stop).await;
        }
        self.finish_for_good(stop).await
    }

    /// Finishes the calls in flight, and then ends the process. No successor is started.
    pub(super) async fn finish_for_good(&mut self, stop: &mut watch::Receiver<StopRequest>) -> WorkerExit {
        match self.finish(stop).await {
            Finish::Closed(exit) => exit,
            Finish::Exited(reason) => {
                let crash = self.crash(reason).await;
                self.fail_calls(&crash, Availability::Closed);
                WorkerExit::new(reason)
            }
        }
    }

    /// Waits for the calls in flight, unless `close` or `kill` is requested meanwhile.
    ///
    /// A worker that has announced its end then ends on its own, because it may still run oneway
    /// messages. It is closed if that takes longer than `Timeouts::drain`. Other workers are asked
    /// for the same.
    pub(super) async fn finish(&mut self, stop: &mut watch::Receiver<StopRequest>) -> Finish {
        let drain = self.starter.settings.timeouts.drain;
        let mut late: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        loop {
            let is_waiting_for_calls = late.is_none();
            tokio::select! {
                biased;
                request = stop_requested(stop, StopRequest::Close) => {
                    return Finish::Closed(self.close_or_kill(request, stop).await);
                }
                event = self.event(is_waiting_for_calls) => match event {
                    ProcessEvent::Leaving => self.is_leaving = true,
                    ProcessEvent::Detachable | ProcessEvent::Detached => {}
                    ProcessEvent::Idle if self.is_leaving => late = Some(Box::pin(silent_for(drain))),
                    ProcessEvent::Idle => return Finish::Closed(self.drain(stop).await),
                    // It has finished its calls, and may be cleaning up.
                    ProcessEvent::ConnectionEnded(CloseReason::Eof | CloseReason::GoAway(_))
                        if self.is_leaving && self.link.is_idle() =>
                    {
                        self.connection = None;
                        self.running.connection_over();
                        late.get_or_insert_with(|| Box::pin(silent_for(drain)));
                    }
                    event => return Finish::Exited(self.end_after(event, stop).await),
                },
                () = poll_fn(|cx| late.as_mut().map_or(Poll::Pending, |late| late.as_mut().poll(cx))) => {
                    tracing::warn!(pid = self.pid(), "closing a worker that has announced its end and still runs");
                    return Finish::Closed(self.close_or_kill(StopRequest::Close, stop).await);
                }
            }
        }
    }

    /// Asks the process to finish its oneway messages and to end. A process that does not confirm
    /// is killed after `Timeouts::close`. One that confirms has `Timeouts::drain`, and is then
    /// closed.
    async fn drain(&mut self, stop: &mut watch::Receiver<StopRequest>) -> WorkerExit {
        if !self.lingers {
            // Without a handshake, the worker may not know go-aways, and ends with the stream.
            let knows_drain = self.starter.settings.handshake;
            self.link.go_away(if knows_drain { GoAway::Drain } else { GoAway::End });
        }
        match self.ending(StopRequest::Close, stop).await {
            Ending::Exited(reason) => WorkerExit::new(reason),
            Ending::Requested(request) => self.close_or_kill(request, stop).await,
            Ending::Late if self.is_leaving => {
                tracing::warn!(pid = self.pid(), "closing a worker that was drained and still runs");
                self.close_or_kill(StopRequest::Close, stop).await
            }
            Ending::Late => self.kill_after_grace(stop).await,
        }
    }

    async fn close_or_kill(
        &mut self,
        request: StopRequest,
        stop: &mut watch::Receiver<StopRequest>,
    ) -> WorkerExit {
        match request {
            StopRequest::Kill => {
                self.link.fail(Availability::Closed, worker_closed);
                return self.kill(false).await;
            }
            StopRequest::KillHung => return self.kill_hung(stop).await,
            StopRequest::None | StopRequest::Drain | StopRequest::Close => {}
        }
        self.link.close(GoAway::End, worker_closed);
        match self.ending(StopRequest::Kill, stop).await {
            Ending::Exited(reason) => WorkerExit::new(reason),
            Ending::Requested(_) => self.kill(false).await,
            Ending::Late => self.kill_after_grace(stop).await,
        }
    }

    async fn kill_hung(&mut self, stop: &mut watch::Receiver<StopRequest>) -> WorkerExit {
        self.kill(false).await;
        let reason = self.end_after(ProcessEvent::Exited(ExitReason::Hung), stop).await;
        let crash = self.crash(reason).await;
        self.fail_calls(&crash, Availability::Closed);
        WorkerExit { crash: Some(crash), ..WorkerExit::new(reason) }
    }

    async fn kill_after_grace(&mut self, stop: &watch::Receiver<StopRequest>) -> WorkerExit {
        // A worker that has announced its end is closed without a request.
        let is_requested = *stop.borrow() > StopRequest::None;
        self.kill(is_requested).await
    }

    /// Waits for the end of a process that got a go-away, or until a stronger request, at least
    /// `stronger`. Sends SIGTERM if the process does not react. A process that confirms that it
    /// drains has longer.
    async fn ending(&mut self, stronger: StopRequest, stop: &mut watch::Receiver<StopRequest>) -> Ending {
        let Timeouts { close: limit, drain, .. } = self.starter.settings.timeouts;
        let begun = Instant::now();
        let mut grace = Box::pin(silent_for(limit));
        let (mut is_terminated, mut drains) = (false, false);
        self.stop_heartbeat();
        loop {
            let terminate_after = match &self.connection {
                _ if drains => None,
                // It waits for a new connection, and does not read a go-away.
                _ if self.lingers => Some(Duration::ZERO),
                Some(_) if limit.is_zero() => Some(MAX_GO_AWAY_TIME),
                Some(_) => Some(MAX_GO_AWAY_TIME.min(limit / 5)),
                // It has read the go-away, and may be cleaning up.
                None => (!limit.is_zero()).then(|| limit / 5 * 4),
            };
            let terminate = async {
                match terminate_after {
                    Some(after) if !is_terminated => sleep_until(begun + after).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                request = stop_requested(stop, stronger) => return Ending::Requested(request),
                event = self.event(false) => match event {
                    ProcessEvent::Exited(reason) => return Ending::Exited(reason),
                    ProcessEvent::ConnectionEnded(_) => {
                        self.connection = None;
                        self.running.connection_over();
                    }
                    ProcessEvent::Leaving if stronger == StopRequest::Close => {
                        (self.is_leaving, drains) = (true, true);
                        grace = Box::pin(silent_for(drain));
                    }
                    ProcessEvent::Leaving
                    | ProcessEvent::Detachable
                    | ProcessEvent::Detached
                    | ProcessEvent::Delivered { .. }
                    | ProcessEvent::Idle
                    | ProcessEvent::Unresponsive => {}
                },
                () = terminate => {
                    is_terminated = true;
                    if !self.running.terminate() && self.lingers {
                        return Ending::Requested(StopRequest::Kill);
                    }
                }
                () = &mut grace => return Ending::Late,
            }
        }
    }
}
