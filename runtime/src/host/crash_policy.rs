use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use isolated_workers_core::Request;

/// What happens when a worker dies: whether it is started again, and which calls that were in flight are made again.
///
/// A call that is made again goes through the middleware once more and takes what is left of its time. One that was in
/// flight at a crash is from then on made with no other such call beside it, so that the next crash shows which one is
/// the cause: that one uses up its runs, its neighbours do not.
///
/// ```
/// use isolated_workers_runtime::OnCrash;
/// use std::time::Duration;
///
/// // Idempotent messages are run three times at most; a worker that keeps dying is started every 30 s at most.
/// let policy = OnCrash::retry(2).backoff(Duration::from_millis(100), Duration::from_secs(30));
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnCrash {
    respawn: Respawn,
    retries: u32,
    any_message: bool,
    first: Duration,
    longest: Duration,
}

/// When a worker that has died is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Respawn {
    Never,
    /// Where a call in flight is to be made again.
    ForACall,
    Always,
}

impl OnCrash {
    /// Calls in flight fail with [`Crashed`](isolated_workers_core::ErrorKind::Crashed), and the worker is closed. Only
    /// where a call of a message with a [`RETRY`](isolated_workers_core::Message::RETRY) of its own was in flight, the
    /// worker is started again for that call. The default.
    pub const fn reject() -> Self {
        Self {
            respawn: Respawn::ForACall,
            retries: 0,
            any_message: false,
            first: Duration::from_millis(10),
            longest: Duration::from_secs(5),
        }
    }

    /// The worker is started again, also where it was idle. Calls in flight fail, but for messages with a
    /// [`RETRY`](isolated_workers_core::Message::RETRY) of their own. Calls that come meanwhile wait.
    pub const fn respawn() -> Self {
        Self { respawn: Respawn::Always, ..Self::reject() }
    }

    /// As [`respawn`](Self::respawn), and a call of an
    /// [idempotent](isolated_workers_core::Message::IDEMPOTENT) message is made again up to so many times, where the
    /// message does not say how often.
    pub const fn retry(times: u32) -> Self {
        Self { retries: times, ..Self::respawn() }
    }

    /// Makes calls of all messages again, also of those that do not say that they can be run twice without harm. Not of
    /// oneway messages: nobody knows whether they were run.
    pub const fn any_message(mut self) -> Self {
        self.any_message = true;
        self
    }

    /// Sets how long to wait before a worker is started again that has died soon after its start: `first` before the
    /// second start in a row, then twice as long each time, `longest` at most; each time by a random part less, up to
    /// half. Defaults: 10 ms and 5 s. A worker that was active for 5 s is started again at once.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first = first;
        self.longest = longest;
        self
    }

    /// Whether a worker is started again without a call that asks for it.
    pub(crate) fn respawns(&self) -> bool {
        self.respawn == Respawn::Always
    }

    /// Whether one is that a call is `asking` for, or is not.
    pub(crate) fn respawns_for(&self, asking: bool) -> bool {
        match self.respawn {
            Respawn::Never => false,
            Respawn::ForACall => asking,
            Respawn::Always => true,
        }
    }

    /// The same for a worker that whoever owns it replaces.
    pub(crate) const fn never_respawn(mut self) -> Self {
        self.respawn = Respawn::Never;
        self
    }

    /// How often the request may be run in all.
    pub(crate) fn attempts(&self, request: &Request) -> u32 {
        let retries = match request.retry() {
            _ if request.is_oneway() => 0,
            0 if request.is_idempotent() || self.any_message => self.retries,
            own => own,
        };
        retries.saturating_add(1)
    }

    /// How long to wait before a start, after so many workers that died young. `random` is a number from 0 to 1: several
    /// hosts whose workers died of the same cause shall not start them at the same moment.
    pub(crate) fn delay(&self, died_young: u32, random: f64) -> Duration {
        let Some(doublings) = died_young.checked_sub(1) else { return Duration::ZERO };
        let delay = self.first.saturating_mul(1 << doublings.min(20)).min(self.longest);
        delay.mul_f64(1.0 - random / 2.0)
    }
}

/// Any number.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Default for OnCrash {
    fn default() -> Self {
        Self::reject()
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers_core::{Body, Name};

    use super::*;

    #[test]
    fn a_message_says_more_than_the_worker() {
        let plain = Request::new(Name::from_static("plain"), Body::empty());
        let mut own = plain.clone();
        own.set_retry(5);
        assert_eq!(OnCrash::retry(2).attempts(&plain), 1);
        assert_eq!(OnCrash::retry(2).any_message().attempts(&plain), 3);
        assert_eq!(OnCrash::retry(2).attempts(&own), 6);
        assert_eq!(OnCrash::reject().attempts(&own), 6);
    }

    #[test]
    fn the_delay_doubles_up_to_the_longest() {
        let policy = OnCrash::respawn().backoff(Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(policy.delay(0, 1.0), Duration::ZERO);
        for (died_young, most) in [(1, 100), (2, 200), (4, 800), (5, 1000), (4_000_000, 1000)] {
            let most = Duration::from_millis(most);
            let delay = policy.delay(died_young, random() as f64 / u64::MAX as f64);
            assert!(most / 2 <= delay && delay <= most, "{died_young}: {delay:?}");
        }
    }
}
