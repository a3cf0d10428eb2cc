use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts what happens within a sliding span of time, and holds no more of it than the limit needs.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    period: Duration,
    times: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new((limit, period): (u32, Duration)) -> Self {
        Self { limit: limit as usize, period, times: VecDeque::new() }
    }

    pub(super) fn record(&mut self, now: Instant) {
        self.forget(now);
        // One over the limit says as much as ten.
        if self.times.len() > self.limit {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// Whether it has happened more often than the limit allows.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.times.len() > self.limit
    }

    /// When it may happen once more without going over the limit: `now` or later.
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
    fn it_slides() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new((2, Duration::from_secs(10)));
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
