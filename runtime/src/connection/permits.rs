use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Concurrency limit of one worker, for a pool that distributes calls among several workers.
///
/// Guarded by the mutex of the connection, which a call locks anyway when it starts and when it
/// ends. Closed until [`open`](Self::open) is called.
#[derive(Debug, Default)]
pub(super) struct Permits {
    max: u32,
    taken: u32,
    /// Number of permits acquired since the last `open`.
    acquired: u64,
    /// Number of acquired permits at which the worker is due for replacement.
    max_acquired: u64,
    is_open: bool,
    /// Number of available permits, readable without the mutex.
    available: Arc<AtomicU32>,
}

impl Permits {
    /// Number of available permits, readable without the mutex. It may be stale.
    pub(super) fn available(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.available)
    }

    pub(super) fn open(&mut self, max: u32, max_acquired: u64) {
        (self.max, self.acquired, self.max_acquired, self.is_open) = (max, 0, max_acquired, true);
        self.publish();
    }

    /// Refuses all further permits.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.publish();
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn acquired(&self) -> u64 {
        self.acquired
    }

    /// Takes a permit. Returns `false` if none is available.
    #[inline]
    pub(super) fn acquire(&mut self) -> bool {
        let is_available = self.is_open && self.taken < self.max;
        if is_available {
            self.taken += 1;
            self.acquired += 1;
            self.publish();
        }
        is_available
    }

    /// Releases a permit. Returns `true` if the worker is due for replacement.
    #[inline]
    pub(super) fn release(&mut self) -> bool {
        self.taken -= 1;
        self.publish();
        self.is_open && self.acquired >= self.max_acquired
    }

    #[inline]
    fn publish(&self) {
        let available = if self.is_open { self.max.saturating_sub(self.taken) } else { 0 };
        self.available.store(available, Ordering::Relaxed);
    }
}
