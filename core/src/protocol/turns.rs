use std::time::{Duration, Instant};

/// When calls began. Those between two looks at the clock share a turn, so that each of them costs a number, and not a
/// look-up of its own.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// When each turn began, from number `first` on.
    begun: Vec<Instant>,
    first: u64,
    /// The least timeout of the calls in the turn that is to begin, if there are any.
    least: Option<Duration>,
}

/// So many turns are kept before the calls are given their deadlines.
const MOST: usize = 1024;

impl Turns {
    /// The turn of a call that has this timeout.
    #[inline]
    pub(super) fn take(&mut self, timeout: Duration) -> u64 {
        self.least = Some(self.least.map_or(timeout, |least| least.min(timeout)));
        self.first + self.begun.len() as u64
    }

    /// Whether calls wait for their turn to begin.
    #[inline]
    pub(super) fn has_waiting(&self) -> bool {
        self.least.is_some()
    }

    /// Begins the turn. Returns the first deadline of its calls, if it has one that is not past the end of time.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Instant> {
        let least = self.least.take()?;
        self.begun.push(now);
        now.checked_add(least)
    }

    /// When a turn began. `None`: it has not, or it is forgotten.
    pub(super) fn began(&self, turn: u64) -> Option<Instant> {
        let at = turn.checked_sub(self.first)?;
        self.begun.get(usize::try_from(at).ok()?).copied()
    }

    /// Whether it is time to forget them.
    pub(super) fn are_many(&self) -> bool {
        self.begun.len() >= MOST
    }

    /// Forgets the turns that have begun.
    pub(super) fn forget(&mut self) {
        self.first += self.begun.len() as u64;
        self.begun.clear();
    }
}
