//! One process of a worker, with its connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ExitReason, GoAway};
use isolated_workers_transport::{Cleanup, DeferredListener, Transport};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::connection::WorkerConnection;
use super::handle::{Receipt, Release, stop_requested};
use super::{StopRequest, WorkerExit, leave, worker_disconnected};
use crate::connection::{Availability, CloseReason, Link};
use crate::driver::{Driver, Running};
use crate::host::starter::{Started, Starter};
use crate::poll_on_wake::PollOnWake;
use crate::timeouts::{EXIT_TIMEOUT, FINAL_READ_TIMEOUT, KILL_TIMEOUT, silent_for};

/// One process of a worker, with its connection. A worker that is respawned has several, one after
/// the other. One that drains continues beside its successor.
pub(super) struct Incarnation<D: Driver, C: Codec, T> {
    pub(super) starter: Arc<Starter<D, C, T>>,
    pub(super) link: Link<C>,
    pub(super) running: D::Running,
    /// `None` while the worker is disconnected, and after the connection has ended.
    pub(super) connection: Option<WorkerConnection<C>>,
    /// Opened before the worker is disconnected or detached.
    pub(super) deferred_listener: Option<DeferredListener>,
    /// Runs when the worker has ended.
    pub(super) cleanup: Option<Cleanup>,
    pub(super) started: Instant,
    /// `true` if the worker has announced its end.
    pub(super) is_leaving: bool,
    /// `true` if the worker was asked to wait for another connection.
    pub(super) lingers: bool,
    /// `true` from the preparation of a detach until the worker is detached or
    /// [kept](Self::keep).
    pub(super) is_detaching: bool,
    /// Set while a worker is detached and the caller has not taken its address.
    delivery: Option<Delivery<D::Running>>,
    /// Protocol violation that ended the connection, if there was one.
    violation: Option<Error>,
}

/// Delivery of the address of a detached worker.
struct Delivery<P> {
    /// Receives the confirmation of the caller.
    taken: oneshot::Receiver<()>,
    reclaim: fn(&mut P),
}

/// Event of a process and its connection.
pub(super) enum ProcessEvent {
    /// The worker has announced its end. It still answers the calls in flight.
    Leaving,
    /// The worker waits for the go-away that detaches it.
    Detachable,
    /// The worker no longer ends with its host.
    Detached,
    /// The caller of a detach has taken the address of the worker, or is gone.
    Delivered {
        is_taken: bool,
    },
    /// No caller waits for an answer.
    Idle,
    ConnectionEnded(CloseReason),
    Exited(ExitReason),
    /// The process does not answer pings.
    Unresponsive,
}

impl<D: Driver, C: Codec, T: Transport> Incarnation<D, C, T> {
    /// Continues `link` with a started process.
    pub(super) fn new(
        starter: &Arc<Starter<D, C, T>>,
        link: Link<C>,
        started: Started<D::Running, T>,
    ) -> Self {
        let Started { running, stream, deferred_listener, cleanup, .. } = started;
        let connection = Some(WorkerConnection::open(&link, starter, stream, running.pid().into()));
        Self {
            starter: Arc::clone(starter),
            link,
            running,
            connection,
            deferred_listener,
            cleanup,
            started: Instant::now(),
            is_leaving: false,
            lingers: false,
            is_detaching: false,
            delivery: None,
            violation: None,
        }
    }

    /// Hands the link over to a successor. Connection and calls in flight continue on a link of
    /// their own, which is returned.
    pub(super) fn hand_over(&mut self) -> Link<C> {
        let settings = &self.starter.settings;
        self.link = self.link.hand_over(settings.limits);
        if let Some(connection) = &mut self.connection {
            connection.move_to(&self.link, settings);
        }
        self.link.clone()
    }

    /// Waits for the next event. Reports `Idle` only if `reports_idle`. Cancel-safe.
    pub(super) async fn event(&mut self, reports_idle: bool) -> ProcessEvent {
        let Self { running, connection, link, delivery, .. } = self;
        let (mut task, mut heartbeat) = match connection {
            Some(WorkerConnection { task, heartbeat }) => (Some(task), heartbeat.as_mut()),
            None => (None, None),
        };
        let is_connected = task.is_some();
        let connection = poll_fn(|cx| {
            match task.as_mut().map_or(Poll::Pending, |task| task.as_mut().poll(cx)) {
                Poll::Ready(CloseReason::Leaving) => Poll::Ready(ProcessEvent::Leaving),
                Poll::Ready(CloseReason::Detachable) => Poll::Ready(ProcessEvent::Detachable),
                Poll::Ready(CloseReason::Detached) => Poll::Ready(ProcessEvent::Detached),
                Poll::Ready(end) => Poll::Ready(ProcessEvent::ConnectionEnded(end)),
                // A caller that cancels its call wakes the connection task.
                Poll::Pending if reports_idle && (!is_connected || link.is_idle()) => {
                    Poll::Ready(ProcessEvent::Idle)
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let delivered = async {
            match delivery {
                Some(delivery) => (&mut delivery.taken).await.is_ok(),
                None => std::future::pending().await,
            }
        };
        let unresponsive = poll_fn(|cx| heartbeat.as_mut().map_or(Poll::Pending, |it| it.as_mut().poll(cx)));
        tokio::select! {
            biased;
            event = connection => event,
            is_taken = PollOnWake::new(delivered) => ProcessEvent::Delivered { is_taken },
            reason = PollOnWake::new(running.wait()) => ProcessEvent::Exited(reason),
            // Polled after the connection, which may just have received data.
            () = PollOnWake::new(unresponsive) => ProcessEvent::Unresponsive,
        }
    }

    /// Waits for the end of the process after an event that ends it. Kills the process if it does
    /// not end.
    pub(super) async fn end_after(
        &mut self,
        event: ProcessEvent,
        stop: &mut watch::Receiver<StopRequest>,
    ) -> ExitReason {
        match event {
            ProcessEvent::Exited(reason) => {
                // Replies that were written before the process died are still delivered.
                let _ = timeout(FINAL_READ_TIMEOUT, self.connection_ended()).await;
                reason
            }
            ProcessEvent::ConnectionEnded(end) => self.exit_after(end, stop).await,
            ProcessEvent::Unresponsive => {
                tracing::warn!(pid = self.pid(), "killing a worker that does not answer pings");
                self.kill(false).await;
                ExitReason::Unresponsive
            }
            ProcessEvent::Leaving
            | ProcessEvent::Detachable
            | ProcessEvent::Detached
            | ProcessEvent::Delivered { .. }
            | ProcessEvent::Idle => self.kill(false).await.reason,
        }
    }

    /// Waits for the process to exit after its connection has ended. Both normally end together.
    async fn exit_after(&mut self, end: CloseReason, stop: &mut watch::Receiver<StopRequest>) -> ExitReason {
        // Kept until the process has ended, so that a last write of the process does not fail.
        let _ended = self.connection.take();
        if let CloseReason::Overran = end {
            self.kill(false).await;
            return ExitReason::Overran;
        }
        let is_violation = matches!(end, CloseReason::Violated(_));
        if let CloseReason::Violated(error) = &end {
            self.violation = Some(error.clone());
        }
        self.running.connection_over();
        tokio::select! {
            biased;
            reason = self.running.wait() => return reason,
            _ = stop_requested(stop, StopRequest::Kill) => return self.kill(false).await.reason,
            () = silent_for(EXIT_TIMEOUT) => {}
        }
        tracing::warn!(pid = self.pid(), ?end, "killing a worker that has closed its connection");
        self.kill(false).await;
        if is_violation { ExitReason::Violated } else { ExitReason::Disconnected }
    }

    /// Asks the worker to end the connection and to wait for another one, or to get ready for that.
    pub(super) fn disconnect(&mut self, go_away: GoAway) {
        self.lingers = true;
        self.is_detaching = go_away == GoAway::PrepareDetach;
        self.link.close(go_away, worker_disconnected);
        self.stop_heartbeat();
    }

    /// Sends no more pings. The worker may be busy, and its end has a limit of its own.
    pub(super) fn stop_heartbeat(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.heartbeat = None;
        }
    }

    /// Continues over another connection.
    pub(super) fn reconnect(&mut self, connection: WorkerConnection<C>) {
        self.lingers = false;
        self.connection = Some(connection);
    }

    /// Waits until the connection has ended. Returns at once if there is none.
    async fn connection_ended(&mut self) {
        if let Some(connection) = &mut self.connection {
            while let CloseReason::Leaving | CloseReason::Detachable | CloseReason::Detached =
                connection.task.as_mut().await
            {}
            self.connection = None;
        }
    }

    pub(super) async fn kill(&mut self, killed_after_grace: bool) -> WorkerExit {
        self.running.kill();
        let reason = match timeout(EXIT_TIMEOUT, self.running.wait()).await {
            Ok(reason) => reason,
            Err(_) => self.kill_by_hangup().await,
        };
        WorkerExit { killed_after_grace, ..WorkerExit::new(reason) }
    }

    /// Closes the connection of a worker that did not end when it was killed, maybe because the
    /// host may not signal it. A worker of this library then ends.
    async fn kill_by_hangup(&mut self) -> ExitReason {
        tracing::warn!(
            pid = self.pid(),
            "closing the connection of a worker that did not end when it was killed"
        );
        self.connection = None;
        self.link.close_stream();
        timeout(KILL_TIMEOUT, self.running.wait()).await.unwrap_or(ExitReason::Survived)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.running.pid().into()
    }

    /// Describes the end of the process as a crash.
    pub(super) async fn crash(&mut self, reason: ExitReason) -> Crash {
        let mut crash = Crash::new(reason);
        crash.pid = self.pid();
        self.running.explain(&mut crash).await;
        crash.bystander = self.link.has_suspect();
        crash.given_up = self.link.given_up();
        crash.violation = self.violation.take().map(|error| error.to_string());
        crash
    }

    /// Fails the calls in flight because of a crash.
    pub(super) fn fail_calls(&self, crash: &Crash, availability: Availability) {
        self.link.fail(availability, |message| {
            let mut crash = crash.clone();
            crash.message = Some(message.to_owned());
            Error::crashed(crash)
        });
    }
}

impl<D: Driver, C: Codec, T> Incarnation<D, C, T> {
    /// Asks a worker that is being detached to linger instead, whatever step it has reached. Does
    /// nothing if no detach is in progress.
    pub(super) fn keep(&mut self) {
        self.reclaim();
        if std::mem::take(&mut self.is_detaching) {
            self.link.go_away(GoAway::Linger(self.starter.settings.timeouts.linger()));
        }
    }

    /// Releases a worker that is detached. Returns the sender by which the caller confirms that it
    /// has taken the address.
    pub(super) fn release(&mut self, release: &Release<D::Running>) -> Result<Receipt, Error> {
        (release.detach)(&mut self.running)?;
        let (receipt, taken) = oneshot::channel();
        self.delivery = Some(Delivery { taken, reclaim: release.reclaim });
        Ok(receipt)
    }

    /// Returns `true` while a caller has not taken the address of a detached worker.
    pub(super) fn is_delivering(&self) -> bool {
        self.delivery.is_some()
    }

    /// Returns `true` if the caller has taken the address. If it has not, it no longer can.
    pub(super) fn is_taken(&mut self) -> bool {
        self.delivery.as_mut().is_some_and(|delivery| {
            delivery.taken.close();
            delivery.taken.try_recv().is_ok()
        })
    }

    /// Takes back a worker whose address was not taken.
    fn reclaim(&mut self) {
        if let Some(Delivery { reclaim, .. }) = self.delivery.take() {
            reclaim(&mut self.running);
        }
    }

    /// Leaves a worker whose address was taken: its connection ends, and nothing else.
    pub(super) fn leave(&mut self) {
        self.delivery = None;
        self.connection = None;
        leave(&self.link);
        if let Some(cleanup) = &self.cleanup {
            cleanup.disarm();
        }
    }
}

impl<D: Driver, C: Codec, T> Drop for Incarnation<D, C, T> {
    /// Takes back a worker whose address nobody can take anymore, so that it ends with its handle.
    fn drop(&mut self) {
        if self.is_taken() {
            self.leave();
        }
        self.reclaim();
    }
}
