mod busy_cores;

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use self::busy_cores::{BUSY_CORES, BusyCores};
use crate::Latency;

/// Time of [`Latency::Balanced`].
const BALANCED_LIMIT: Duration = Duration::from_micros(20);

/// Number of reads that are tried in a row, before other tasks of the runtime get their turn. A
/// peer that answers at once needs one or two.
const MAX_TRIES: u32 = 16;

/// Maximum number of occasions that are passed over after vain waits, as a power of two. With this
/// number, handlers that are slower than the limit cost less than 1 % of CPU time.
const MAX_BACKOFF: u32 = 6;

thread_local! {
    /// The connection that waited last on this thread.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// Short wait of a connection task for input, before its thread sleeps (decision 46).
pub(super) struct Spin {
    limit: Duration,
    is_adaptive: bool,
    wait: Wait,
    /// Number of occasions to pass over.
    skipped: u32,
    /// Number of vain waits since the last one that ended with input.
    failures: u32,
    /// Number of requests that had been sent at the last occasion.
    sent: u64,
    cores: &'static BusyCores,
}

enum Wait {
    /// Input has arrived or a request was sent: an occasion to wait.
    Armed,
    /// Waits. Holds the time of the first try.
    Running(Option<Instant>),
    /// Sleeps until the next occasion.
    Asleep,
}

impl Spin {
    pub(super) fn new(latency: Latency) -> Self {
        let limit = match latency {
            Latency::Frugal => Duration::ZERO,
            Latency::Balanced => BALANCED_LIMIT,
            Latency::Spin(limit) => limit,
        };
        let is_adaptive = matches!(latency, Latency::Balanced);
        let cores = &BUSY_CORES;
        Self { limit, is_adaptive, wait: Wait::Asleep, skipped: 0, failures: 0, sent: 0, cores }
    }

    /// Returns `true` if the next occasion is used.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        !self.limit.is_zero() && self.skipped == 0 && !(self.is_adaptive && self.cores.is_paused())
    }

    /// Never waits again: the stream can be read only when the runtime reports input.
    #[cold]
    pub(super) fn disable(&mut self) {
        self.limit = Duration::ZERO;
    }

    /// Records that input has arrived.
    #[inline]
    pub(super) fn handle_input(&mut self) {
        match std::mem::replace(&mut self.wait, Wait::Armed) {
            Wait::Running(_) => self.failures = 0,
            _ => self.skipped = self.skipped.saturating_sub(1),
        }
    }

    /// Records the number of requests that were sent so far.
    #[inline]
    pub(super) fn handle_sent(&mut self, sent: u64) {
        if sent != self.sent {
            self.sent = sent;
            if let Wait::Asleep = self.wait {
                self.wait = Wait::Armed;
            }
        }
    }

    /// Begins or continues to wait, if there is an occasion and the side `expects_input`. Returns
    /// `false` if the task sleeps.
    #[inline]
    pub(super) fn begin(&mut self, expects_input: bool) -> bool {
        match self.wait {
            Wait::Running(_) if expects_input => {}
            Wait::Running(_) => self.wait = Wait::Asleep,
            Wait::Armed if expects_input && self.is_on() => self.wait = Wait::Running(None),
            Wait::Armed | Wait::Asleep => {}
        }
        matches!(self.wait, Wait::Running(_))
    }

    /// Calls `try_read` until it finds something or the limit has passed, after a yield to other
    /// threads each time, and a few times in a row. Once, if another connection waits on this
    /// thread, too.
    pub(super) fn try_often<T>(&mut self, mut try_read: impl FnMut() -> Option<T>) -> Option<T> {
        let start = Instant::now();
        if let Wait::Running(since) = &mut self.wait {
            since.get_or_insert(start);
        }
        let mut tries = self.tries();
        let (read, took) = loop {
            thread::yield_now();
            let (read, took) = (try_read(), start.elapsed());
            tries -= 1;
            // A yield may give away a whole time slice, so the time is read after each.
            if read.is_some() || tries == 0 || took >= self.limit {
                break (read, took);
            }
        };
        if self.is_adaptive && self.cores.handle_yields(took) {
            self.wait = Wait::Asleep;
        }
        read
    }

    /// Number of reads to try now. 1 if another connection waits on this thread, too.
    fn tries(&self) -> u32 {
        let this = std::ptr::from_ref(self).addr();
        if LAST.replace(this) == this { MAX_TRIES } else { 1 }
    }

    /// Records that the tries found nothing. Returns `true` if the task continues to wait once the
    /// other tasks of its runtime had their turn.
    pub(super) fn continues(&mut self) -> bool {
        let Wait::Running(since) = &mut self.wait else { return false };
        if since.get_or_insert_with(Instant::now).elapsed() < self.limit {
            return true;
        }
        self.wait = Wait::Asleep;
        if self.is_adaptive {
            self.failures = (self.failures + 1).min(MAX_BACKOFF);
            self.skipped = 1 << self.failures;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a wait that other tests do not pause.
    fn spin(latency: Latency) -> Spin {
        Spin { cores: Box::leak(Box::new(BusyCores::new())), ..Spin::new(latency) }
    }

    /// Waits until the limit has passed. Returns `false` if the task did not wait.
    fn waits_in_vain(spin: &mut Spin) -> bool {
        if !spin.begin(true) {
            return false;
        }
        while spin.continues() {
            assert!(spin.begin(true));
        }
        assert!(!spin.begin(true), "it sleeps until the next occasion");
        true
    }

    #[test]
    fn vain_waits_become_rare_and_one_success_makes_them_usual_again() {
        let mut spin = self::spin(Latency::Balanced);
        assert!(!waits_in_vain(&mut spin), "nothing was sent, and nothing has arrived");
        let mut waits = 0;
        for _ in 0..1000 {
            spin.handle_input();
            waits += u32::from(waits_in_vain(&mut spin));
        }
        assert!((10..30).contains(&waits), "{waits}");
        while !spin.begin(true) {
            spin.handle_input();
        }
        spin.handle_input();
        assert!(spin.begin(true));
    }

    #[test]
    fn a_request_that_is_sent_is_an_occasion() {
        let mut spin = self::spin(Latency::Spin(Duration::from_micros(1)));
        for sent in 1..100 {
            spin.handle_sent(sent);
            assert!(waits_in_vain(&mut spin));
            spin.handle_sent(sent);
            assert!(!waits_in_vain(&mut spin));
        }
    }

    #[test]
    fn frugal_connections_never_wait() {
        let mut spin = self::spin(Latency::Frugal);
        spin.handle_input();
        assert!(!spin.is_on() && !spin.begin(true));
    }

    #[test]
    fn a_wait_ends_without_a_penalty_if_no_input_is_expected_any_more() {
        let mut spin = self::spin(Latency::Balanced);
        spin.handle_sent(1);
        assert!(spin.begin(true) && !spin.begin(false) && !spin.begin(true));
        assert!(spin.is_on());
    }

    #[test]
    fn a_time_slice_that_was_given_away_pauses_the_waits_of_a_balanced_connection() {
        let lose_slice = || -> Option<()> {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {}
            None
        };
        for (latency, is_paused) in
            [(Latency::Balanced, true), (Latency::Spin(Duration::from_millis(10)), false)]
        {
            let mut spin = self::spin(latency);
            spin.handle_input();
            assert!(spin.begin(true) && spin.try_often(lose_slice).is_none());
            assert_eq!(spin.begin(true), !is_paused, "{latency:?}");
            spin.handle_input();
            assert_eq!(spin.is_on(), !is_paused, "{latency:?}");
        }
    }

    #[test]
    fn the_tries_end_when_the_time_has_passed() {
        let mut spin = self::spin(Latency::Spin(Duration::from_millis(1)));
        spin.handle_input();
        assert!(spin.begin(true) && spin.tries() == 1 && spin.tries() == MAX_TRIES);
        let mut tries = 0;
        let lose_slice = || -> Option<()> {
            tries += 1;
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2) {}
            None
        };
        assert!(spin.try_often(lose_slice).is_none());
        assert!(tries == 1 && !spin.continues() && !spin.begin(true), "{tries}");
    }

    #[test]
    fn connections_that_wait_on_one_thread_take_turns() {
        let (one, other) = (spin(Latency::Balanced), spin(Latency::Balanced));
        one.tries();
        assert_eq!((one.tries(), other.tries(), one.tries(), one.tries()), (MAX_TRIES, 1, 1, MAX_TRIES));
    }
}
