//! End of a process that is drained or closed: calls in flight, go-away, SIGTERM, SIGKILL.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::ExitReason;
use isolated_workers_transport::Transport;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::handle::stop_requested;
use super::incarnation::{Incarnation, ProcessEvent};
use super::{StopRequest, WorkerExit, worker_closed};
use crate::connection::{Availability, CloseReason};
use crate::driver::{Driver, Running};
use crate::timeouts::silent_for;

/// Maximum time that a worker gets to react to a go-away before SIGTERM. It is a fifth of
/// `Timeouts::close` if that is shorter.
const MAX_GO_AWAY_TIME: Duration = Duration::from_secs(1);

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
        self.link.drain();
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
    /// messages. It is closed if that takes longer than `Timeouts::drain`. Other workers are closed
    /// at once.
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
                    ProcessEvent::Idle if self.is_leaving => late = Some(Box::pin(silent_for(drain))),
                    ProcessEvent::Idle => {
                        return Finish::Closed(self.close_or_kill(StopRequest::Close, stop).await);
                    }
                    // It has finished its calls, and may be cleaning up.
                    ProcessEvent::ConnectionEnded(CloseReason::Eof | CloseReason::GoAway { .. })
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

    async fn close_or_kill(
        &mut self,
        request: StopRequest,
        stop: &mut watch::Receiver<StopRequest>,
    ) -> WorkerExit {
        if request == StopRequest::Kill {
            self.link.fail(Availability::Closed, worker_closed);
            return self.kill(false).await;
        }
        self.link.close(None, worker_closed);
        self.close(stop).await
    }

    /// Waits for the end of a process that got a go-away. Sends SIGTERM and then SIGKILL if it does
    /// not end.
    async fn close(&mut self, stop: &mut watch::Receiver<StopRequest>) -> WorkerExit {
        let (begun, limit) = (Instant::now(), self.starter.settings.timeouts.close);
        let mut grace = pin!(silent_for(limit));
        let mut is_terminated = false;
        loop {
            let terminate_after = match &self.connection {
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
                _ = stop_requested(stop, StopRequest::Kill) => return self.kill(false).await,
                event = self.event(false) => match event {
                    ProcessEvent::Exited(reason) => return WorkerExit::new(reason),
                    ProcessEvent::ConnectionEnded(_) => {
                        self.connection = None;
                        self.running.connection_over();
                    }
                    ProcessEvent::Leaving | ProcessEvent::Idle | ProcessEvent::Unresponsive => {}
                },
                () = terminate => {
                    is_terminated = true;
                    if !self.running.terminate() && self.lingers {
                        return self.kill(false).await;
                    }
                }
                () = &mut grace => {
                    // A worker that has announced its end is closed without a request.
                    let is_requested = *stop.borrow() > StopRequest::None;
                    return self.kill(is_requested).await;
                }
            }
        }
    }
}
