//! Permits of a worker, as the scheduler sees them.

pub(crate) use crate::connection::PermitCounts;

/// Handle to a worker's permits: one for each call that may be in flight at once.
///
/// Calls acquire and release permits themselves, on other threads. So a value that is read here may
/// be outdated, but an acquired permit is certain.
pub(crate) trait WorkerPermits: Clone {
    /// Opens `max_in_flight` permits for `max_calls` calls in all, for the worker of this slot.
    /// After `recycle_calls` calls, each release is reported.
    fn open(&self, slot: usize, max_in_flight: u32, recycle_calls: u64, max_calls: u64);

    /// Stops handing out permits.
    fn close(&self);

    /// Acquires a permit for a call. Returns `false` if none is free.
    fn try_acquire(&self) -> bool;

    /// Releases an acquired permit that was not used.
    fn release(&self);

    /// Acquires all permits for a session. Returns `false` if the worker is not idle.
    fn try_check_out(&self) -> bool;

    /// Ends a session. Its permits are free once its calls have ended. `is_unused`: no call was
    /// made, and the session does not count.
    fn end_session(&self, is_unused: bool);

    /// Returns the number of free permits.
    fn available(&self) -> u32;

    fn counts(&self) -> PermitCounts;

    /// Returns the number of calls in flight.
    fn in_flight(&self) -> u32 {
        self.counts().in_flight
    }
}
