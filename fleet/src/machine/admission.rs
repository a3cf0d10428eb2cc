use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Room of a machine, and its membership in the queue group of each service.
///
/// A machine that is full leaves the groups, so that no call waits there while another machine is
/// idle. It joins them again when a quarter of its room is free.
#[derive(Debug)]
pub(super) struct Admission {
    capacity: usize,
    /// Cancelled when the machine drains.
    draining: CancellationToken,
    state: Mutex<Room>,
}

#[derive(Debug)]
struct Room {
    in_flight: usize,
    /// Token of the membership in the group of each service, while it lasts.
    members: Vec<Option<CancellationToken>>,
}

/// Membership that begins. It ends when the token is cancelled.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) service: usize,
    pub(super) end: CancellationToken,
}

impl Admission {
    pub(super) fn new(capacity: usize, services: usize) -> Self {
        let state = Mutex::new(Room { in_flight: 0, members: vec![None; services] });
        Self { capacity, draining: CancellationToken::new(), state }
    }

    /// Starts a call. Returns `false` if there is no room. The last one that has room ends all
    /// memberships.
    pub(super) fn start(&self) -> bool {
        let mut room = self.lock();
        if room.in_flight >= self.capacity {
            return false;
        }
        room.in_flight += 1;
        if room.in_flight == self.capacity {
            room.members.iter_mut().filter_map(Option::take).for_each(|member| member.cancel());
        }
        true
    }

    /// Ends a call.
    pub(super) fn end(&self) {
        let mut room = self.lock();
        room.in_flight = room.in_flight.saturating_sub(1);
    }

    /// Returns the memberships to begin: none while there is too little room.
    pub(super) fn join(&self) -> Vec<Membership> {
        let mut room = self.lock();
        let free = self.capacity.saturating_sub(room.in_flight);
        if self.draining.is_cancelled() || free < self.capacity.div_ceil(4) {
            return Vec::new();
        }
        let absent = room.members.iter_mut().enumerate().filter(|(_, member)| member.is_none());
        let begin = absent.map(|(service, member)| {
            let end = self.draining.child_token();
            *member = Some(end.clone());
            Membership { service, end }
        });
        begin.collect()
    }

    /// Token that is cancelled when the machine drains.
    pub(super) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_full_leaves_and_joins_when_a_quarter_is_free() {
        let admission = Admission::new(8, 2);
        let [first, second] = admission.join().try_into().unwrap();
        assert_eq!([first.service, second.service], [0, 1]);
        assert!(admission.join().is_empty());
        for started in 1..=8 {
            assert!(admission.start());
            assert_eq!(first.end.is_cancelled() && second.end.is_cancelled(), started == 8);
        }
        assert!(!admission.start());
        admission.end();
        assert!(admission.join().is_empty());
        admission.end();
        assert_eq!(admission.join().len(), 2);
    }

    #[test]
    fn a_machine_for_one_call_at_a_time_joins_after_each() {
        let admission = Admission::new(1, 1);
        let member = admission.join().pop().unwrap();
        assert!(admission.start() && member.end.is_cancelled());
        admission.end();
        assert_eq!(admission.join().len(), 1);
    }

    #[test]
    fn a_machine_that_drains_joins_no_more() {
        let admission = Admission::new(2, 1);
        let member = admission.join().pop().unwrap();
        admission.draining().cancel();
        assert!(member.end.is_cancelled());
        assert!(admission.start(), "a call that the server had sent already is run");
        admission.end();
        assert!(admission.join().is_empty());
    }
}
