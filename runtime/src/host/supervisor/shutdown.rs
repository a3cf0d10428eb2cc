//! Shutdown sequence of a worker: drain, close (go-away and a grace period), kill.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use isolated_workers_codec::Codec;
use isolated_workers_core::ExitReason;
use isolated_workers_transport::Transport;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{
    BoxConnectionTask, Outcome, StopRequest, Supervisor, WorkerExit, closed, unchanged, worker_closed,
};
use crate::Status;
use crate::connection::{Availability, CloseReason, Link};
use crate::driver::{Driver, Running};
use crate::timeouts::{FINAL_READ_TIMEOUT, elapsed};

/// Result of a drain.
enum Drain {
    Done,
    /// The process died before its calls were finished.
    Died(ExitReason),
}

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    pub(super) async fn stop(
        &mut self,
        request: StopRequest,
        mut connection: Option<BoxConnectionTask>,
    ) -> Outcome {
        self.status.send_replace(Status::Closing);
        if request == StopRequest::Drain
            && let Drain::Died(reason) = self.drain(&mut connection).await
        {
            // No respawn is wanted.
            let crash = self.crash(reason).await;
            self.fail_calls(&crash, Availability::Closed);
            return Outcome::Ended(WorkerExit::new(reason));
        }
        Outcome::Ended(if *self.stop.borrow() == StopRequest::Kill {
            self.link.fail(Availability::Closed, worker_closed);
            self.kill(false).await
        } else {
            self.close(connection).await
        })
    }

    /// Waits for the calls in flight, unless `close` or `kill` is requested meanwhile.
    async fn drain(&mut self, connection: &mut Option<BoxConnectionTask>) -> Drain {
        self.link.drain();
        loop {
            tokio::select! {
                biased;
                _ = stop_requested(&mut self.stop, StopRequest::Close) => return Drain::Done,
                end = until_idle(&self.link, connection) => match end {
                    Some(end) => return Drain::Died(self.exit_after(end).await),
                    None => return Drain::Done,
                },
                reason = self.running.wait() => {
                    let _ = timeout(FINAL_READ_TIMEOUT, closed(connection)).await;
                    return Drain::Died(reason);
                }
                Some((_, done)) = self.commands.recv() => {
                    let _ = done.send(Err(unchanged("the worker is being drained and ends afterwards")));
                }
            }
        }
    }

    async fn close(&mut self, mut connection: Option<BoxConnectionTask>) -> WorkerExit {
        self.link.close(None, worker_closed);
        if connection.is_none() {
            // A disconnected worker cannot receive a go-away.
            return self.kill(false).await;
        }
        let mut grace = pin!(elapsed(self.starter.settings.timeouts.close));
        loop {
            tokio::select! {
                biased;
                reason = self.running.wait() => return WorkerExit::new(reason),
                _ = stop_requested(&mut self.stop, StopRequest::Kill) => break,
                () = &mut grace => return self.kill(true).await,
                _ = closed(&mut connection) => {
                    connection = None;
                    self.running.connection_over();
                }
            }
        }
        self.kill(false).await
    }

    pub(super) async fn kill(&mut self, killed_after_grace: bool) -> WorkerExit {
        self.running.kill();
        WorkerExit { killed_after_grace, ..WorkerExit::new(self.running.wait().await) }
    }
}

/// Waits until nothing is in flight (`None`) or the connection has ended. Without a connection,
/// nothing is in flight.
async fn until_idle<C: Codec>(
    link: &Link<C>,
    connection: &mut Option<BoxConnectionTask>,
) -> Option<CloseReason> {
    let Some(task) = connection else { return None };
    poll_fn(|cx| match task.as_mut().poll(cx) {
        Poll::Ready(end) => Poll::Ready(Some(end)),
        // A caller that cancels its call wakes the connection task.
        Poll::Pending if link.is_idle() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
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
