use std::time::{Duration, Instant};

use isolated_workers_core::Name;

/// A handler that takes this long before its first await computes.
const SLOW: Duration = Duration::from_micros(200);

/// So many slow starts in a row are no accident: a handler that is only interrupted once is not moved.
const IN_A_ROW: u32 = 3;

/// A message whose handlers compute is tried in place again after so many, in case it has changed its ways.
const PROBATION: u32 = 256;

/// So many handlers are timed one by one after some were slow together.
const WATCHED: u32 = 256;

/// Learns which messages are better not handled in place, because their handlers compute and would hold up their
/// neighbours' answers.
///
/// A look at the clock costs as much as a small handler. So handlers that come together are timed together; only where
/// that was slow, and while any message is known to be, each is timed by itself.
#[derive(Debug, Default)]
pub(super) struct Pace {
    slow: Vec<Slow>,
    /// When the handler that runs now, or the group of it, was begun.
    began: Option<Instant>,
    /// How many handlers are to be timed one by one.
    watched: u32,
    /// How many handlers ran in the group, and the message of the last.
    ran: u32,
    last: Option<Name>,
}

/// A message whose last start was slow.
#[derive(Debug)]
struct Slow {
    name: Name,
    in_a_row: u32,
    moved: u32,
}

impl Pace {
    /// Whether to poll the next handler of this message in place.
    pub(super) fn is_in_place(&mut self, name: &str) -> bool {
        let Some(slow) = self.slow.iter_mut().find(|slow| slow.name.as_str() == name) else { return true };
        if slow.in_a_row < IN_A_ROW {
            return true;
        }
        slow.moved = (slow.moved + 1) % PROBATION;
        slow.moved == 0
    }

    /// A group of handlers is about to run.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.ran = 0;
    }

    /// A handler of this message has come to its first await, or its end.
    pub(super) fn ran(&mut self, name: Name) {
        if self.watched == 0 && self.slow.is_empty() {
            self.ran += 1;
            self.last = Some(name);
            return;
        }
        self.watched = self.watched.saturating_sub(1);
        let took = self.lap();
        self.learn(&name, took);
    }

    /// The group has run.
    pub(super) fn end(&mut self) {
        let Some(last) = self.last.take() else { return };
        let took = self.lap();
        match self.ran {
            1 => self.learn(&last, took),
            _ if took > SLOW => self.watched = WATCHED,
            _ => {}
        }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        self.began.replace(now).map_or(Duration::ZERO, |began| now - began)
    }

    /// Takes in how long a handler took before its first await, or its end.
    fn learn(&mut self, name: &Name, took: Duration) {
        let known = self.slow.iter().position(|slow| slow.name == *name);
        match (took > SLOW, known) {
            (true, Some(at)) => self.slow[at].in_a_row = self.slow[at].in_a_row.saturating_add(1),
            (true, None) => self.slow.push(Slow { name: name.clone(), in_a_row: 1, moved: 0 }),
            (false, Some(at)) => drop(self.slow.swap_remove(at)),
            (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_moved_when_it_is_slow_again_and_again_and_comes_back() {
        let (mut pace, name) = (Pace::default(), Name::from_static("scale"));
        let (slow, fast) = (2 * SLOW, SLOW / 2);
        for took in [slow, slow, fast, slow, slow] {
            pace.learn(&name, took);
            assert!(pace.is_in_place("scale"));
        }
        pace.learn(&name, slow);
        let moved = (1..PROBATION).filter(|_| !pace.is_in_place("scale")).count();
        assert_eq!(moved, 255);
        assert!(pace.is_in_place("scale"), "on probation");
        assert!(pace.is_in_place("other"));
        pace.learn(&name, fast);
        assert!(pace.is_in_place("scale"));
    }

    #[test]
    fn handlers_that_were_slow_together_are_timed_one_by_one() {
        let long_ago = || Instant::now() - 2 * SLOW;
        let (mut pace, name) = (Pace::default(), Name::from_static("scale"));
        pace.begin(long_ago());
        pace.ran(name.clone());
        pace.ran(Name::from_static("other"));
        pace.end();
        assert!(pace.slow.is_empty(), "it may have been any of the two");
        for _ in 0..IN_A_ROW {
            assert!(pace.is_in_place("scale"));
            pace.begin(long_ago());
            pace.ran(name.clone());
            pace.end();
        }
        assert!(!pace.is_in_place("scale"));
    }
}
