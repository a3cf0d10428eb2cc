use std::cell::RefCell;
use std::rc::Rc;

use super::super::{MemberId, Seats};

/// A worker, and its seats.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    pub(super) id: MemberId,
    seats: Rc<RefCell<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    most: u32,
    taken: u32,
    calls: u64,
    calls_end: u64,
    is_open: bool,
}

impl Hand {
    pub(super) fn new(id: MemberId) -> Self {
        Self { id, seats: Rc::default() }
    }

    /// A call has ended. Returns whether it tells of it because the worker is to be replaced.
    pub(super) fn is_left(&self) -> bool {
        self.give_back();
        let seats = self.seats.borrow();
        seats.is_open && seats.calls >= seats.calls_end
    }
}

impl Seats for Hand {
    fn open(&self, most: u32, calls_end: u64) {
        *self.seats.borrow_mut() = Kept { most, calls_end, is_open: true, ..Kept::default() };
    }

    fn close(&self) {
        self.seats.borrow_mut().is_open = false;
    }

    fn take(&self) -> bool {
        let mut seats = self.seats.borrow_mut();
        let is_free = seats.is_open && seats.taken < seats.most;
        seats.taken += u32::from(is_free);
        seats.calls += u64::from(is_free);
        is_free
    }

    fn give_back(&self) {
        let mut seats = self.seats.borrow_mut();
        seats.taken = seats.taken.checked_sub(1).expect("a seat is given back twice");
    }

    fn free(&self) -> u32 {
        let seats = self.seats.borrow();
        if seats.is_open { seats.most - seats.taken } else { 0 }
    }

    fn counts(&self) -> (bool, u32, u64) {
        let seats = self.seats.borrow();
        (seats.is_open, seats.taken, seats.calls)
    }
}
