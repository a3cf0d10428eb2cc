use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

/// Concurrency limit of one worker, for a pool that distributes calls among several workers.
///
/// Guarded by the mutex of the connection, which a call locks anyway when it starts and when it
/// ends. Closed until [`open`](Self::open) is called.
///
/// A call that is dropped or times out returns its permit, but its handler may still run. Until the
/// worker has answered it, one permit is kept for it.
#[derive(Debug, Default)]
pub(super) struct Permits {
    max: u32,
    taken: u32,
    /// Number of permits kept for calls that were given up, because the worker may still run them.
    given_up: u32,
    /// Number of permits acquired since the last `open`.
    acquired: u64,
    /// Number of acquired permits at which the worker is due for replacement.
    due_acquired: u64,
    /// Number of permits that can be acquired in all.
    max_acquired: u64,
    is_open: bool,
    /// Number of available permits, readable without the mutex.
    available: Arc<AtomicU32>,
    /// Woken when the number of given-up calls changes.
    listener: Option<Waker>,
}

impl Permits {
    /// Number of available permits, readable without the mutex. It may be stale.
    pub(super) fn available(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.available)
    }

    /// Opens `max` permits, of which `max_acquired` can be acquired in all, one after the other.
    pub(super) fn open(&mut self, max: u32, due_acquired: u64, max_acquired: u64) {
        (self.max, self.acquired, self.is_open) = (max, 0, true);
        (self.due_acquired, self.max_acquired) = (due_acquired, max_acquired);
        self.publish();
    }

    /// Sets the waker for changes of the number of given-up calls.
    pub(super) fn set_listener(&mut self, listener: Waker) {
        self.listener = Some(listener);
    }

    /// Sets the number of calls that were given up and may still run. Returns the listener if the
    /// number has changed.
    #[inline]
    pub(super) fn set_given_up(&mut self, calls: usize) -> Option<Waker> {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        if calls == self.given_up {
            return None;
        }
        self.given_up = calls;
        self.publish();
        self.listener.clone()
    }

    pub(super) fn given_up(&self) -> u32 {
        self.given_up
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
        let is_available = self.is_open && self.free() > 0;
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
        self.is_open && self.acquired >= self.due_acquired
    }

    #[inline]
    fn free(&self) -> u32 {
        let free = self.max.saturating_sub(self.taken.saturating_add(self.given_up));
        let left = self.max_acquired.saturating_sub(self.acquired);
        if left < u64::from(free) { left as u32 } else { free }
    }

    #[inline]
    fn publish(&self) {
        let available = if self.is_open { self.free() } else { 0 };
        self.available.store(available, Ordering::Relaxed);
    }
}
