//! Start of a successor of a process that has died or announced its end.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_transport::Transport;
use tokio::time::sleep;

use super::handle::stop_requested;
use super::incarnation::Incarnation;
use super::{Identity, StopRequest, Supervisor, unchanged, worker_closed};
use crate::Status;
use crate::connection::{Availability, Link};
use crate::driver::{Driver, Running};
use crate::host::crash_policy::{MIN_STABLE_UPTIME, random_fraction};
use crate::host::starter::Started;

/// Number of failed starts in a row after which a worker is no longer respawned.
const MAX_FAILED_STARTS: u32 = 5;

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    /// Starts the next process. `uptime` is the time for which the last one took calls. Returns
    /// `None` if the worker was stopped meanwhile, or if too many starts have failed.
    pub(super) async fn respawn(&mut self, uptime: Duration) -> Option<Incarnation<D, C, T>> {
        let was_stable = uptime >= MIN_STABLE_UPTIME;
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
                        let cause = "the worker is being restarted; wait until it is active";
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

    /// Continues with a new process.
    fn install(&mut self, started: Started<D::Running, T>) -> Incarnation<D, C, T> {
        let (pid, captured) = (started.running.pid(), started.running.captured());
        let identity = Identity {
            pid,
            address: started.address.clone(),
            captured,
            #[cfg(feature = "sandbox")]
            sandbox: started.sandbox.clone(),
        };
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        // The status changes before the waiting calls continue: a caller that received an answer
        // must see that the worker is active.
        self.status.send_replace(Status::Active);
        Incarnation::new(&self.starter, Link::clone(&self.link), started)
    }
}
