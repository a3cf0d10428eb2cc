//! Backoff before a pool replaces lost workers.

use std::time::Instant;

use super::rate_window::RateWindow;
use crate::OnCrash;
use crate::pool::config::PoolConfig;

/// Delays of respawns, and the state of a broken pool.
///
/// Both delays grow exponentially, as set by [`OnCrash::backoff`]. A slot waits if its workers end
/// soon after their start. The whole pool is *broken* if it loses more workers than
/// [`restart_limit`](crate::PoolBuilder::restart_limit) allows. It then starts one worker at a
/// time, with a delay, until one comes up.
#[derive(Debug)]
pub(super) struct RespawnBackoff {
    policy: OnCrash,
    max_failed_starts: u32,
    losses: RateWindow,
    /// Number of failed starts in a row, in all slots.
    failed_starts: u32,
    /// Time of the next start, if the pool is broken.
    broken_until: Option<Instant>,
}

impl RespawnBackoff {
    pub(super) fn new(config: &PoolConfig) -> Self {
        let (max_failed_starts, _) = config.restart_limit;
        Self {
            policy: config.on_crash,
            max_failed_starts,
            losses: RateWindow::new(config.restart_limit),
            failed_starts: 0,
            broken_until: None,
        }
    }

    /// Handles a worker that came up: the pool is not broken any more.
    pub(super) fn started(&mut self) {
        self.failed_starts = 0;
        self.broken_until = None;
    }

    pub(super) fn start_failed(&mut self) {
        self.failed_starts += 1;
    }

    /// Handles the loss of a worker that is to be replaced.
    ///
    /// Returns the time from which its slot may start another one. `early_deaths` is the number of
    /// workers in a row that ended soon after their start in this slot. `random` is between 0 and
    /// 1.
    pub(super) fn lost(&mut self, early_deaths: u32, now: Instant, random: f64) -> Instant {
        self.losses.record(now);
        if self.is_broken() || self.losses.is_over(now) || self.failed_starts > self.max_failed_starts {
            let in_a_row = self.failed_starts.max(1);
            self.broken_until = Some(now + self.policy.respawn_delay(in_a_row, random));
        }
        now + self.policy.respawn_delay(early_deaths, random)
    }

    /// Returns `true` if too many workers were lost, and none has come up since.
    pub(super) fn is_broken(&self) -> bool {
        self.broken_until.is_some()
    }

    /// Returns the time from which a broken pool may start the next worker.
    pub(super) fn broken_until(&self) -> Option<Instant> {
        self.broken_until
    }
}
