//! Time of the last tick of the system, which costs a few nanoseconds to read.

/// A time with the resolution of a tick: 1 to 10 ms on Linux, as the kernel was built, and 4 ms
/// elsewhere.
pub(super) struct CoarseTime(Ticks);

impl CoarseTime {
    pub(super) fn now() -> Self {
        Self(ticks())
    }

    /// Returns `true` if a tick has passed since.
    pub(super) fn has_passed(&self) -> bool {
        ticks() != self.0
    }
}

#[cfg(target_os = "linux")]
type Ticks = rustix::time::Timespec;

#[cfg(target_os = "linux")]
fn ticks() -> Ticks {
    rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse)
}

#[cfg(not(target_os = "linux"))]
type Ticks = u128;

#[cfg(not(target_os = "linux"))]
fn ticks() -> Ticks {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() / 4
}
