use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many calls a worker may have at once and has, where calls are shared out among several workers.
///
/// It is a part of what the lock of a link guards, so that a call takes its place and gives it back where it begins and
/// ends anyway. Closed until it is opened.
#[derive(Debug, Default)]
pub(super) struct Seats {
    most: u32,
    taken: u32,
    /// How many calls have had one since it was opened.
    calls: u64,
    /// From so many on, whoever gives one back is to tell.
    calls_end: u64,
    is_open: bool,
    /// How many are free, for those who look without the lock.
    free: Arc<AtomicU32>,
}

impl Seats {
    /// Where to look without the lock.
    pub(super) fn free(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.free)
    }

    pub(super) fn open(&mut self, most: u32, calls_end: u64) {
        (self.most, self.calls, self.calls_end, self.is_open) = (most, 0, calls_end, true);
        self.show();
    }

    /// Lets nobody in any more.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.show();
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// `false`: there is none.
    #[inline]
    pub(super) fn take(&mut self) -> bool {
        let is_free = self.is_open && self.taken < self.most;
        if is_free {
            self.taken += 1;
            self.calls += 1;
            self.show();
        }
        is_free
    }

    /// Returns whether there were as many calls as there are to be.
    #[inline]
    pub(super) fn give_back(&mut self) -> bool {
        self.taken -= 1;
        self.show();
        self.is_open && self.calls >= self.calls_end
    }

    #[inline]
    fn show(&self) {
        let free = if self.is_open { self.most.saturating_sub(self.taken) } else { 0 };
        self.free.store(free, Ordering::Relaxed);
    }
}
