use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of some yields after which other processes have used the core. A peer on the same core
/// answers in a few microseconds, and a time slice takes 0.7 ms or more.
const MAX_YIELDS: Duration = Duration::from_micros(300);

/// Pause after the first time slice that was given away. Each further one in a row doubles it.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause. A time slice of 4 ms is a thousandth of it.
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// Processes that compete with this one for its cores, as its threads have noticed them. A thread
/// that yields to such a process waits for a whole time slice.
pub(super) struct Contention {
    /// End of the pause, in nanoseconds since [`START`]. 0: no pause.
    until: AtomicU64,
    /// Length of the last pause, in nanoseconds.
    pause: AtomicU64,
}

/// Contention of this process. Its threads share the cores.
pub(super) static CONTENTION: Contention = Contention::new();

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Contention {
    pub(super) const fn new() -> Self {
        Self { until: AtomicU64::new(0), pause: AtomicU64::new(0) }
    }

    /// Returns `true` while threads should sleep instead of yielding.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until > 0 && self.is_before(until)
    }

    #[cold]
    fn is_before(&self, until: u64) -> bool {
        let is_before = nanos(START.elapsed()) < until;
        if !is_before {
            self.until.store(0, Ordering::Relaxed);
        }
        is_before
    }

    /// Records the time that a thread has spent on a few yields. Returns `true` if others have used
    /// the core meanwhile.
    #[inline]
    pub(super) fn handle_yields(&self, took: Duration) -> bool {
        let is_contended = took > MAX_YIELDS;
        if is_contended {
            self.begin_pause();
        } else if self.pause.load(Ordering::Relaxed) > 0 {
            self.pause.store(0, Ordering::Relaxed);
        }
        is_contended
    }

    #[cold]
    fn begin_pause(&self) {
        let last = self.pause.load(Ordering::Relaxed);
        let pause = (2 * last).clamp(nanos(MIN_PAUSE), nanos(MAX_PAUSE));
        self.pause.store(pause, Ordering::Relaxed);
        self.until.store(nanos(START.elapsed()) + pause, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_while_time_slices_are_lost_and_end_with_the_first_short_yield() {
        let contention = Contention::new();
        assert!(!contention.is_paused() && !contention.handle_yields(Duration::from_micros(5)));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(contention.handle_yields(Duration::from_millis(4)));
            assert!(contention.is_paused());
            pauses.push(contention.pause.load(Ordering::Relaxed) / 1_000_000);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 4000, 4000]);

        contention.until.store(1, Ordering::Relaxed);
        assert!(!contention.is_paused(), "the pause is over");
        assert!(!contention.handle_yields(Duration::from_micros(5)));
        assert!(contention.handle_yields(Duration::from_millis(4)));
        assert_eq!(contention.pause.load(Ordering::Relaxed), nanos(MIN_PAUSE));
    }
}
