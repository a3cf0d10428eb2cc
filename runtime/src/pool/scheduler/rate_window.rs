//! Sliding window that limits a rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts events within a sliding period. Keeps at most one event more than the limit.
#[derive(Debug)]
pub(super) struct RateWindow {
    limit: usize,
    period: Duration,
    times: VecDeque<Instant>,
}

impl RateWindow {
    pub(super) fn new((limit, period): (u32, Duration)) -> Self {
        Self { limit: limit as usize, period, times: VecDeque::new() }
    }

    pub(super) fn record(&mut self, now: Instant) {
        self.forget(now);
        // One event over the limit is enough to know that the limit is exceeded.
        if self.times.len() > self.limit {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// Returns `true` if there were more events within the period than the limit allows.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.times.len() > self.limit
    }

    /// Returns the time from which another event stays within the limit: `now` or later.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        self.forget(now);
        match self.times.len().checked_sub(self.limit) {
            Some(over) => self.times.get(over).map_or(now, |oldest| *oldest + self.period),
            None => now,
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.times.front().is_some_and(|oldest| now.duration_since(*oldest) >= self.period) {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_the_window_after_the_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = RateWindow::new((2, Duration::from_secs(10)));
        window.record(at(0));
        assert_eq!(window.next(at(1)), at(1));
        window.record(at(4));
        assert!(!window.is_over(at(5)));
        assert_eq!(window.next(at(5)), at(10));
        window.record(at(6));
        assert!(window.is_over(at(9)));
        assert!(!window.is_over(at(10)));
        assert_eq!(window.next(at(10)), at(14));
    }
}
