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

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) timeout: Duration,
    pub(super) end: End,
}

/// When the time of a call is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Its timeout runs from the beginning of this turn.
    OfTurn(u64),
    At(Instant),
    /// Past the end of time.
    Never,
}

/// So many turns are kept before the calls are given their deadlines.
const MOST: usize = 1024;

impl Turns {
    /// Takes a call into the turn that is to begin.
    #[inline]
    pub(super) fn take(&mut self, timeout: Duration) -> Time {
        self.least = Some(self.least.map_or(timeout, |least| least.min(timeout)));
        Time { timeout, end: End::OfTurn(self.first + self.begun.len() as u64) }
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

    /// Has `time` know its end by itself, where its turn has begun.
    pub(super) fn settle(&self, time: &mut Time) {
        let End::OfTurn(turn) = time.end else { return };
        let at = turn.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(began) = at.and_then(|at| self.begun.get(at)) {
            time.end = began.checked_add(time.timeout).map_or(End::Never, End::At);
        }
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
