//! Respawn of a worker whose process has died.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_transport::Transport;
use tokio::time::sleep;

use super::shutdown::stop_requested;
use super::{BoxConnectionTask, Identity, StopRequest, Supervisor, unchanged, worker_closed};
use crate::Status;
use crate::connection::{Availability, ConnectionTask, RejectAll};
use crate::driver::{Driver, Running};
use crate::host::crash_policy::{MIN_STABLE_UPTIME, random_fraction};
use crate::host::starter::{Greeted, Started};

/// Number of failed starts in a row after which a worker is no longer respawned.
const MAX_FAILED_STARTS: u32 = 5;

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    /// Starts a new process after one has died. Returns `None` if the worker was stopped meanwhile,
    /// or if too many starts have failed.
    pub(super) async fn respawn(&mut self) -> Option<BoxConnectionTask> {
        (self.deferred_listener, self.cleanup) = (None, None);
        let was_stable = self.started.elapsed() >= MIN_STABLE_UPTIME;
        self.early_deaths = if was_stable { 0 } else { self.early_deaths.saturating_add(1) };
        let starter = Arc::clone(&self.starter);
        let mut failed_starts = 0;
        loop {
            let delay = starter.settings.on_crash.respawn_delay(self.early_deaths, random_fraction());
            let status = self.status.clone();
            let start = async {
                sleep(delay).await;
                starter.start(&status).await
            };
            let mut start = pin!(start);
            let started = loop {
                tokio::select! {
                    biased;
                    _ = stop_requested(&mut self.stop, StopRequest::Drain) => {
                        self.link.fail(Availability::Closed, worker_closed);
                        return None;
                    }
                    Some((_, done)) = self.commands.recv() => {
                        let cause = "the worker died and is being respawned; wait until it is active";
                        let _ = done.send(Err(unchanged(cause)));
                    }
                    started = &mut start => break started,
                }
            };
            match started {
                Ok(started) => return Some(self.install(started)),
                Err(error) => {
                    failed_starts += 1;
                    self.early_deaths = self.early_deaths.saturating_add(1);
                    self.status.send_replace(Status::Starting);
                    tracing::warn!("could not respawn a worker: {error:#}");
                    if failed_starts == MAX_FAILED_STARTS {
                        self.link.fail(Availability::Failed(error), worker_closed);
                        return None;
                    }
                }
            }
        }
    }

    /// Replaces the last process with a new one.
    fn install(&mut self, started: Started<D::Running, T>) -> BoxConnectionTask {
        let Started { running, stream, deferred_listener, cleanup, address } = started;
        let Greeted { reader, writer, buffer } = stream;
        let identity = Identity { pid: running.pid(), address, captured: running.captured() };
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        self.running = running;
        (self.deferred_listener, self.cleanup) = (deferred_listener, cleanup);
        self.started = Instant::now();
        let limits = self.starter.settings.limits;
        let task = ConnectionTask::new(self.link.clone(), limits, reader, buffer, RejectAll);
        // The status changes before the waiting calls continue: a caller that received an answer
        // must see that the worker is active.
        self.status.send_replace(Status::Active);
        self.link.reconnect(limits, writer);
        Box::pin(task)
    }
}
