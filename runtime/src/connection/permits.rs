use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Waker;
use std::time::Instant;

/// Concurrency limit of one worker, for a pool that distributes calls among several workers.
///
/// Guarded by the mutex of the connection, which is locked anyway when a call starts and when it
/// ends. Closed until [`open`](Self::open) is called.
///
/// A call that is dropped or times out returns its permit, but its handler may still run. Until the
/// worker has answered it, one permit is kept for it.
///
/// A session has all permits: the worker is checked out. It counts as one call. The calls of the
/// session take permits beyond the maximum, which no other call gets.
#[derive(Debug, Default)]
pub(super) struct Permits {
    /// Number of permits of calls outside of a session. 0 while the worker is checked out.
    max: u32,
    /// The same while the worker is not checked out.
    max_outside: u32,
    taken: u32,
    /// Number of permits kept for calls that were given up, because the worker may still run them.
    given_up: u32,
    /// Number of permits acquired since the last `open`, without those of calls that were not sent.
    acquired: u64,
    /// Number of acquired permits at which the worker is due for replacement.
    due_acquired: u64,
    /// Number of permits that can be acquired in all.
    max_acquired: u64,
    is_open: bool,
    /// `true` from the start of a session until its last call has ended.
    is_checked_out: bool,
    /// Number of the last session. It is never used again, so that an old handle reaches no later
    /// session.
    session: u64,
    /// `true` while the session may start calls.
    has_session: bool,
    /// Number of calls that timed out since the last `open`.
    timeouts: u64,
    /// Time at which a call timed out because the peer did not read or answer earlier ones, and the
    /// number of requests sent by then.
    blocked_at: Option<(Instant, u64)>,
    /// Number of available permits, readable without the mutex.
    available: Arc<AtomicU32>,
    listener: Option<Listener>,
}

/// Counts of a worker's permits, read under one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PermitCounts {
    /// `true` if permits are handed out.
    pub(crate) is_open: bool,
    /// Number of calls in flight. A session and its calls count as one.
    pub(crate) in_flight: u32,
    /// Number of calls that were given up, each of which keeps a permit until the worker has
    /// answered it.
    pub(crate) given_up: u32,
    /// Number of permits that were acquired, including those of calls in flight, without those of
    /// calls that were not sent.
    pub(crate) acquired: u64,
    /// Number of calls that timed out.
    pub(crate) timeouts: u64,
    /// Time since which the worker owes the answer to a cancel, or since which a call has timed out
    /// because the worker does not read, and no request was sent.
    pub(crate) unanswered_since: Option<Instant>,
}

/// Owner of the permits, which is told of permits that are free again.
#[derive(Debug)]
struct Listener {
    waker: Waker,
    /// `true` while the owner wants to know of each release.
    wants_releases: Arc<AtomicBool>,
}

impl Permits {
    /// Number of available permits, readable without the mutex. It may be stale.
    pub(super) fn available(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.available)
    }

    /// Opens `max` permits, of which `max_acquired` can be acquired in all, one after the other.
    pub(super) fn open(&mut self, max: u32, due_acquired: u64, max_acquired: u64) {
        (self.max, self.acquired, self.timeouts, self.is_open) = (max, 0, 0, true);
        (self.max_outside, self.is_checked_out, self.has_session) = (max, false, false);
        (self.due_acquired, self.max_acquired) = (due_acquired, max_acquired);
        self.blocked_at = None;
        self.publish();
    }

    /// Sets the waker that is woken when the number of given-up calls changes, when the worker is
    /// due for replacement, and, while `wants_releases` is `true`, when a call ends.
    pub(super) fn set_listener(&mut self, waker: Waker, wants_releases: Arc<AtomicBool>) {
        self.listener = Some(Listener { waker, wants_releases });
    }

    pub(super) fn listener(&self) -> Option<Waker> {
        self.listener.as_ref().map(|listener| listener.waker.clone())
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
        self.end_check_out();
        self.publish();
        self.listener()
    }

    /// Refuses all further permits.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.publish();
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn counts(&self, unanswered_since: Option<Instant>) -> PermitCounts {
        PermitCounts {
            is_open: self.is_open,
            in_flight: if self.is_checked_out { self.taken.min(1) } else { self.taken },
            given_up: self.given_up,
            acquired: self.acquired,
            timeouts: self.timeouts,
            unanswered_since,
        }
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

    /// Releases a permit. Returns the listener if it must be woken.
    ///
    /// The listener sets `wants_releases` before it looks for a permit under the mutex. So it
    /// either finds this permit, or is woken.
    #[inline]
    pub(super) fn release(&mut self) -> Option<Waker> {
        self.taken -= 1;
        if self.is_checked_out {
            return self.released_in_session();
        }
        self.publish();
        let listener = self.listener.as_ref()?;
        let is_due = self.is_open && self.acquired >= self.due_acquired;
        (is_due || listener.wants_releases.load(Ordering::Acquire)).then(|| listener.waker.clone())
    }

    /// Does not count an acquired permit, because its call was not sent. The permit is released
    /// next.
    #[cold]
    pub(super) fn uncount(&mut self) {
        // The calls of a session are not counted.
        if !self.is_checked_out {
            self.acquired = self.acquired.saturating_sub(1);
        }
    }

    /// Takes all permits for a session. Returns `false` if a call is in flight, or was given up and
    /// is not answered.
    pub(super) fn check_out(&mut self) -> bool {
        let is_idle = self.is_open && self.taken == 0 && self.given_up == 0 && self.free() > 0;
        if is_idle {
            self.taken = 1;
            self.acquired += 1;
            self.max = 0;
            (self.is_checked_out, self.has_session) = (true, true);
            self.session += 1;
            self.publish();
        }
        is_idle
    }

    /// Number of the last session.
    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// Takes a permit for a call of this session. Returns `false` if the session has ended.
    pub(super) fn acquire_in_session(&mut self, session: u64) -> bool {
        let is_open = self.has_session && self.session == session;
        self.taken += u32::from(is_open);
        is_open
    }

    /// Ends the session. Its permits are free once its calls have ended. `is_unused`: no call was
    /// made, and the session does not count.
    pub(super) fn end_session(&mut self, is_unused: bool) {
        if std::mem::take(&mut self.has_session) {
            self.acquired -= u64::from(is_unused);
            self.taken -= 1;
            self.end_check_out();
            self.publish();
        }
    }

    /// Handles the end of a call of a session. Returns the listener if it was the last one.
    #[cold]
    fn released_in_session(&mut self) -> Option<Waker> {
        self.end_check_out();
        self.publish();
        if self.taken == 0 { self.listener() } else { None }
    }

    /// Ends the exclusive use of the worker if the session and its calls have ended.
    fn end_check_out(&mut self) {
        if self.is_checked_out && self.taken == 0 && self.given_up == 0 {
            self.is_checked_out = false;
            self.max = self.max_outside;
        }
    }

    pub(super) fn add_timeouts(&mut self, calls: usize) {
        self.timeouts += calls as u64;
    }

    /// Records that a call has timed out because the peer did not read or answer earlier ones.
    /// `sent`: number of requests sent so far. Returns the listener.
    pub(super) fn call_blocked(&mut self, sent: u64) -> Option<Waker> {
        if self.blocked_since(sent).is_none() {
            self.blocked_at = Some((Instant::now(), sent));
        }
        self.listener()
    }

    /// Time since which calls are blocked and no request was sent.
    pub(super) fn blocked_since(&self, sent: u64) -> Option<Instant> {
        self.blocked_at.filter(|(_, sent_then)| *sent_then == sent).map(|(at, _)| at)
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
