//! State of the decoding that is in progress on this thread.

use std::cell::Cell;

use isolated_workers_core::Budget;

use super::meter::Limit;

/// Message between [`decode_within`](super::decode_within) and the value that the codec decodes.
#[derive(Clone, Copy)]
pub(super) enum State {
    Idle,
    /// A value is to be decoded within the requested budget.
    Requested,
    Exceeded(Limit),
    /// A type refused its bytes. [`take_reason`] returns the reason.
    Refused,
}

// The types of the first two need no drop, so access is as cheap as to a plain variable.
thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::LOCAL) };
    static STATE: Cell<State> = const { Cell::new(State::Idle) };
    static REASON: Cell<String> = const { Cell::new(String::new()) };
}

/// Sets the budget of the next value.
#[inline]
pub(super) fn request(budget: Budget) {
    BUDGET.set(budget);
    STATE.set(State::Requested);
}

/// Takes the requested budget.
///
/// Call it before the type runs, because the type may decode another value in between. Returns the
/// default budget if none was requested.
#[inline]
pub(super) fn take_request() -> Budget {
    match STATE.replace(State::Idle) {
        State::Requested => BUDGET.get(),
        _ => Budget::default(),
    }
}

/// Returns the requested budget without taking it.
#[cfg(feature = "json")]
pub(super) fn requested() -> Option<Budget> {
    matches!(STATE.get(), State::Requested).then(|| BUDGET.get())
}

#[inline]
pub(super) fn get() -> State {
    STATE.get()
}

#[inline]
pub(super) fn set_exceeded(limit: Limit) {
    STATE.set(State::Exceeded(limit));
}

/// Stores a type's reason for refusing its bytes.
pub(super) fn set_refused(reason: String) {
    REASON.set(reason);
    STATE.set(State::Refused);
}

/// Takes the last stored reason.
#[cold]
pub(super) fn take_reason() -> String {
    REASON.take()
}
