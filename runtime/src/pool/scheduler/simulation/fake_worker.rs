//! Fake worker of the simulation.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::super::{InstanceId, PermitCounts, WorkerPermits};

/// A worker with permits but without a process.
#[derive(Clone, Debug)]
pub(super) struct FakeWorker {
    pub(super) id: InstanceId,
    permits: Rc<RefCell<FakePermits>>,
}

#[derive(Debug, Default)]
struct FakePermits {
    max_in_flight: u32,
    in_flight: u32,
    /// Times at which calls were given up, the oldest first.
    given_up: Vec<Instant>,
    started: u64,
    recycle_calls: u64,
    max_calls: u64,
    is_open: bool,
    /// `true` while a session has all permits. It is also in flight.
    has_session: bool,
    /// `true` from the start of a session until its last call has ended.
    is_checked_out: bool,
}

impl FakePermits {
    fn available(&self) -> u32 {
        if self.is_checked_out {
            return 0;
        }
        let free = self.max_in_flight - self.in_flight - self.given_up.len() as u32;
        let is_exhausted = self.started >= self.max_calls;
        if self.is_open && !is_exhausted { free } else { 0 }
    }
}

impl FakeWorker {
    pub(super) fn new(id: InstanceId) -> Self {
        Self { id, permits: Rc::default() }
    }

    /// Ends a call. Returns `true` if it must be reported because the worker reached its call
    /// limit.
    pub(super) fn end_call(&self) -> bool {
        let mut permits = self.permits.borrow_mut();
        permits.in_flight = permits.in_flight.checked_sub(1).expect("the permit was acquired");
        permits.is_open && permits.started >= permits.recycle_calls
    }

    /// Gives up a call, which still runs.
    pub(super) fn give_up_call(&self, now: Instant) -> bool {
        self.permits.borrow_mut().given_up.push(now);
        self.end_call()
    }

    /// Ends a call that was given up at this time.
    pub(super) fn end_given_up(&self, since: Instant) {
        let mut permits = self.permits.borrow_mut();
        let at = permits.given_up.iter().position(|other| *other == since).expect("the call was given up");
        permits.given_up.remove(at);
        drop(permits);
        self.end_check_out();
    }

    /// Ends all given-up calls, because the worker has ended.
    pub(super) fn forget_given_up(&self) {
        self.permits.borrow_mut().given_up.clear();
        self.end_check_out();
    }

    /// Gives up a call of a session, which still runs.
    pub(super) fn give_up_in_session(&self, now: Instant) {
        assert!(self.permits.borrow().has_session);
        self.permits.borrow_mut().given_up.push(now);
    }

    fn end_check_out(&self) {
        let mut permits = self.permits.borrow_mut();
        if !permits.has_session && permits.given_up.is_empty() {
            permits.is_checked_out = false;
        }
    }
}

impl WorkerPermits for FakeWorker {
    fn open(&self, _slot: usize, max_in_flight: u32, recycle_calls: u64, max_calls: u64) {
        let (is_open, new) = (true, FakePermits::default());
        *self.permits.borrow_mut() = FakePermits { max_in_flight, recycle_calls, max_calls, is_open, ..new };
    }

    fn close(&self) {
        self.permits.borrow_mut().is_open = false;
    }

    fn try_acquire(&self) -> bool {
        let mut permits = self.permits.borrow_mut();
        let is_free = permits.available() > 0;
        permits.in_flight += u32::from(is_free);
        permits.started += u64::from(is_free);
        is_free
    }

    fn release(&self) {
        let mut permits = self.permits.borrow_mut();
        permits.in_flight = permits.in_flight.checked_sub(1).expect("the permit was acquired");
        permits.started -= 1;
    }

    fn try_check_out(&self) -> bool {
        let mut permits = self.permits.borrow_mut();
        let is_idle = permits.available() == permits.max_in_flight && permits.max_in_flight > 0;
        permits.has_session |= is_idle;
        permits.is_checked_out |= is_idle;
        permits.in_flight += u32::from(is_idle);
        permits.started += u64::from(is_idle);
        is_idle
    }

    fn end_session(&self, is_unused: bool) {
        let mut permits = self.permits.borrow_mut();
        assert!(std::mem::take(&mut permits.has_session), "the worker was checked out");
        permits.in_flight -= 1;
        permits.started -= u64::from(is_unused);
        drop(permits);
        self.end_check_out();
    }

    fn available(&self) -> u32 {
        self.permits.borrow().available()
    }

    fn counts(&self) -> PermitCounts {
        let FakePermits { is_open, in_flight, ref given_up, started: acquired, .. } = *self.permits.borrow();
        let (unanswered_since, given_up) = (given_up.first().copied(), given_up.len() as u32);
        PermitCounts { is_open, in_flight, given_up, acquired, timeouts: 0, unanswered_since }
    }
}
