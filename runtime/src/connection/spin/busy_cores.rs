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

/// Cores that other processes want as well, as the threads of this process have noticed. A thread
/// that yields to such a process waits for a whole time slice.
pub(super) struct BusyCores {
    /// Length of the last pause, in nanoseconds. 0: no time slice was lost for as long as the last
    /// pause has taken.
    pause: AtomicU64,
    /// End of the last pause, in nanoseconds since [`START`].
    until: AtomicU64,
}

/// State of this process. Its threads share the cores.
pub(super) static BUSY_CORES: BusyCores = BusyCores::new();

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl BusyCores {
    pub(super) const fn new() -> Self {
        Self { pause: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    /// Returns `true` while threads should sleep instead of yielding.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.pause.load(Ordering::Relaxed) > 0 && self.is_before_end()
    }

    #[cold]
    fn is_before_end(&self) -> bool {
        nanos(START.elapsed()) < self.until.load(Ordering::Relaxed)
    }

    /// Records the time that a thread has spent on a few yields. Returns `true` if others have used
    /// the core meanwhile.
    #[inline]
    pub(super) fn handle_yields(&self, took: Duration) -> bool {
        let is_lost = took > MAX_YIELDS;
        if is_lost || self.pause.load(Ordering::Relaxed) > 0 {
            self.update(is_lost, nanos(START.elapsed()));
        }
        is_lost
    }

    /// Begins a pause if a time slice `is_lost`. Forgets the last one if none was lost for as long.
    #[cold]
    fn update(&self, is_lost: bool, now: u64) {
        let last = self.pause.load(Ordering::Relaxed);
        if is_lost {
            let pause = (2 * last).clamp(nanos(MIN_PAUSE), nanos(MAX_PAUSE));
            self.pause.store(pause, Ordering::Relaxed);
            self.until.store(now + pause, Ordering::Relaxed);
        } else if now > self.until.load(Ordering::Relaxed) + last {
            self.pause.store(0, Ordering::Relaxed);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_no_time_slice_was_lost_for_as_long() {
        let cores = BusyCores::new();
        assert!(!cores.is_paused() && !cores.handle_yields(Duration::from_micros(5)));
        let (mut now, mut pauses) = (nanos(START.elapsed()), Vec::new());
        for _ in 0..9 {
            cores.update(true, now);
            let pause = cores.pause.load(Ordering::Relaxed);
            pauses.push(pause / 1_000_000);
            // Short yields after the pause are no sign yet.
            now += pause + pause / 2;
            cores.update(false, now);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 4000, 4000]);
        assert!(cores.is_paused());

        cores.update(false, now + nanos(MAX_PAUSE));
        assert!(!cores.is_paused());
        assert!(cores.handle_yields(Duration::from_millis(4)) && cores.is_paused());
        assert_eq!(cores.pause.load(Ordering::Relaxed), nanos(MIN_PAUSE));
    }
}
