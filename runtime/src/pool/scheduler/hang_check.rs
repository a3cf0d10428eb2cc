//! Detection of a hung worker: it does not answer a cancel.

use std::time::{Duration, Instant};

use crate::timeouts::MAX_TIMER_DELAY;

/// Part of the timeout that passes after the worker was found to be late. Meanwhile the owner of
/// the scheduler reads what has arrived.
const LAST_PART: u32 = 10;

/// State of the detection for one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum HangCheck {
    #[default]
    Fine,
    /// The answer is late.
    Late {
        /// Time since which the worker owes the answer.
        unanswered_since: Instant,
        /// Time at which that was noticed.
        noticed: Instant,
    },
    /// The worker is hung.
    Hung {
        /// Time at which the worker is killed although calls are in flight. `None`: never.
        kill_at: Option<Instant>,
    },
}

impl HangCheck {
    pub(super) fn is_hung(&self) -> bool {
        matches!(self, Self::Hung { .. })
    }

    /// Returns `true` if a hung worker is to be killed although calls are in flight.
    pub(super) fn is_kill_due(&self, now: Instant) -> bool {
        matches!(self, Self::Hung { kill_at: Some(at) } if *at <= now)
    }

    /// Updates the state. `unanswered_since`: time since which the worker owes an answer. Returns
    /// the time of the next check, if one is needed before the next event.
    ///
    /// The answer may have arrived while the host was stopped, and the worker may have been stopped
    /// with it. So the last part of the timeout passes after the answer was found to be late, and
    /// again if the clock has jumped meanwhile.
    pub(super) fn update(
        &mut self,
        unanswered_since: Option<Instant>,
        now: Instant,
        cancel_timeout: Duration,
        hung_timeout: Duration,
    ) -> Option<Instant> {
        if let Self::Hung { kill_at } = *self {
            return kill_at;
        }
        let Some(since) = unanswered_since.filter(|_| !cancel_timeout.is_zero()) else {
            *self = Self::Fine;
            return None;
        };
        let last_part = cancel_timeout / LAST_PART;
        let late_at = since + (cancel_timeout - last_part);
        if now < late_at {
            *self = Self::Fine;
            return Some(late_at);
        }
        let noticed = match *self {
            Self::Late { unanswered_since, noticed }
                if unanswered_since == since && now <= noticed + last_part + MAX_TIMER_DELAY =>
            {
                noticed
            }
            _ => now,
        };
        if now < noticed + last_part {
            *self = Self::Late { unanswered_since: since, noticed };
            return Some(noticed + last_part);
        }
        let kill_at = (!hung_timeout.is_zero()).then(|| now + hung_timeout);
        *self = Self::Hung { kill_at };
        kill_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const LAST: Duration = Duration::from_secs(1);

    #[test]
    fn a_worker_is_hung_after_the_timeout_and_killed_later() {
        let (since, mut check) = (Instant::now(), HangCheck::default());
        let mut update = |after, unanswered| check.update(unanswered, since + after, TIMEOUT, 3 * TIMEOUT);
        assert_eq!(update(Duration::ZERO, Some(since)), Some(since + TIMEOUT - LAST));
        assert_eq!(update(TIMEOUT - LAST, Some(since)), Some(since + TIMEOUT));
        assert_eq!(update(TIMEOUT, Some(since)), Some(since + 4 * TIMEOUT));
        // It stays hung, whatever it answers later.
        assert_eq!(update(TIMEOUT + LAST, None), Some(since + 4 * TIMEOUT));
        assert!(check.is_kill_due(since + 4 * TIMEOUT) && !check.is_kill_due(since + 4 * TIMEOUT - LAST));
    }

    #[test]
    fn a_stopped_host_takes_no_worker_for_hung_before_it_has_read() {
        let (since, mut check) = (Instant::now(), HangCheck::default());
        let mut update = |after, unanswered| check.update(unanswered, since + after, TIMEOUT, TIMEOUT);
        // The host was stopped from the first second to the hundredth, and then for another one.
        let stopped = 10 * TIMEOUT;
        assert_eq!(update(stopped, Some(since)), Some(since + stopped + LAST));
        assert_eq!(update(2 * stopped, Some(since)), Some(since + 2 * stopped + LAST));
        assert_eq!(update(2 * stopped + LAST / 2, None), None);
        assert!(!check.is_hung());
    }

    #[test]
    fn a_later_cancel_has_the_whole_timeout() {
        let (since, mut check) = (Instant::now(), HangCheck::default());
        let mut update = |after, unanswered| check.update(unanswered, since + after, TIMEOUT, TIMEOUT);
        update(TIMEOUT - LAST, Some(since));
        let later = since + TIMEOUT / 2;
        assert_eq!(update(TIMEOUT, Some(later)), Some(later + TIMEOUT - LAST));
        assert_eq!(update(later + TIMEOUT - LAST - since, Some(later)), Some(later + TIMEOUT));
        assert!(!check.is_hung());
    }
}
