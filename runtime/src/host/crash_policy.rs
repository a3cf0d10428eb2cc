use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use isolated_workers_core::{Error, Request};

use crate::timeouts::check_duration;

/// Uptime below which a worker's death is early. Only early deaths delay the respawn.
pub(crate) const MIN_STABLE_UPTIME: Duration = Duration::from_secs(5);

/// Crash policy: decides if a dead worker is respawned, and which of its calls are retried.
///
/// A retried call passes through the middleware again and keeps what is left of its timeout. A call
/// that was in flight at a crash is retried alone, without another suspect. The next crash
/// therefore shows which call is the cause: that call uses up its attempts, other calls do not.
///
/// ```
/// use isolated_workers_runtime::OnCrash;
/// use std::time::Duration;
///
/// // Idempotent messages run at most three times. A worker that keeps dying is respawned at most
/// // every 30 s.
/// let policy = OnCrash::retry(2).backoff(Duration::from_millis(100), Duration::from_secs(30));
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnCrash {
    respawn: Respawn,
    retries: u32,
    any_message: bool,
    first_delay: Duration,
    max_delay: Duration,
}

/// Condition under which a dead worker is respawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Respawn {
    #[cfg(feature = "pool")]
    Never,
    /// If a call in flight is retried.
    ForRetry,
    Always,
}

impl OnCrash {
    /// Fails calls in flight with [`Crashed`](isolated_workers_core::ErrorKind::Crashed) and closes
    /// the worker. The default.
    ///
    /// If a message in flight sets its own [`RETRY`](isolated_workers_core::Message::RETRY), the
    /// worker is respawned for that call.
    pub const fn reject() -> Self {
        Self {
            respawn: Respawn::ForRetry,
            retries: 0,
            any_message: false,
            first_delay: Duration::from_millis(10),
            max_delay: Duration::from_secs(5),
        }
    }

    /// Respawns the worker, even if it was idle. New calls wait for the new process.
    ///
    /// Calls in flight fail, except those of messages that set their own
    /// [`RETRY`](isolated_workers_core::Message::RETRY).
    pub const fn respawn() -> Self {
        Self { respawn: Respawn::Always, ..Self::reject() }
    }

    /// Respawns as [`respawn`](Self::respawn) does, and retries calls of
    /// [idempotent](isolated_workers_core::Message::IDEMPOTENT) messages up to `times` times. A
    /// message's own [`RETRY`](isolated_workers_core::Message::RETRY) takes precedence.
    pub const fn retry(times: u32) -> Self {
        Self { retries: times, ..Self::respawn() }
    }

    /// Retries calls of all messages, including those not marked idempotent. Oneway messages are
    /// never retried, because it is unknown if they were run.
    pub const fn any_message(mut self) -> Self {
        self.any_message = true;
        self
    }

    /// Sets the backoff between respawns of a worker that dies soon after its start.
    ///
    /// The delay starts at `first` and doubles with each early death in a row, up to `max`. Jitter
    /// shortens each delay by up to half. Defaults: 10 ms and 5 s. A worker that was active for 5 s
    /// is respawned without delay. The maximum of both is ten years.
    pub const fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.first_delay = first;
        self.max_delay = max;
        self
    }

    /// Checks that each setting is in its valid range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_duration("OnCrash::backoff", self.first_delay.max(self.max_delay), None)
    }

    /// Returns `true` if a worker is respawned even if no call is retried.
    pub(crate) fn respawns(&self) -> bool {
        self.respawn == Respawn::Always
    }

    /// Returns `true` if a worker is respawned. `is_wanted` is `true` if a call is to be retried.
    pub(crate) fn respawns_for(&self, is_wanted: bool) -> bool {
        match self.respawn {
            #[cfg(feature = "pool")]
            Respawn::Never => false,
            Respawn::ForRetry => is_wanted,
            Respawn::Always => true,
        }
    }

    /// Disables respawning, for an owner that replaces the worker.
    #[cfg(feature = "pool")]
    pub(crate) const fn never_respawn(mut self) -> Self {
        self.respawn = Respawn::Never;
        self
    }

    /// Maximum number of times that `request` may run.
    pub(crate) fn attempts(&self, request: &Request) -> u32 {
        let retries = match request.retry() {
            _ if request.is_oneway() => 0,
            0 if request.is_idempotent() || self.any_message => self.retries,
            own => own,
        };
        retries.saturating_add(1)
    }

    /// Backoff before a respawn after `early_deaths` early deaths in a row. `jitter` is a fraction
    /// from 0 to 1. It prevents hosts whose workers died of one cause from respawning them
    /// simultaneously.
    pub(crate) fn respawn_delay(&self, early_deaths: u32, jitter: f64) -> Duration {
        let Some(doublings) = early_deaths.checked_sub(1) else { return Duration::ZERO };
        let delay = self.first_delay.saturating_mul(1 << doublings.min(20)).min(self.max_delay);
        delay.mul_f64(1.0 - jitter / 2.0)
    }
}

impl Default for OnCrash {
    fn default() -> Self {
        Self::reject()
    }
}

/// Random number, seeded by the system.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Random number from 0 to 1.
pub(super) fn random_fraction() -> f64 {
    random() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use isolated_workers_core::{Body, Name};

    use super::*;

    #[test]
    fn the_retry_of_a_message_overrides_that_of_the_policy() {
        let plain = Request::new(Name::from_static("plain"), Body::empty());
        let mut own = plain.clone();
        own.set_retry(5);
        assert_eq!(OnCrash::retry(2).attempts(&plain), 1);
        assert_eq!(OnCrash::retry(2).any_message().attempts(&plain), 3);
        assert_eq!(OnCrash::retry(2).attempts(&own), 6);
        assert_eq!(OnCrash::reject().attempts(&own), 6);
    }

    #[test]
    fn the_delay_doubles_up_to_the_maximum() {
        let policy = OnCrash::respawn().backoff(Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(policy.respawn_delay(0, 1.0), Duration::ZERO);
        for (early_deaths, max) in [(1, 100), (2, 200), (4, 800), (5, 1000), (4_000_000, 1000)] {
            let max = Duration::from_millis(max);
            let delay = policy.respawn_delay(early_deaths, random_fraction());
            assert!(max / 2 <= delay && delay <= max, "{early_deaths}: {delay:?}");
        }
    }
}
