use std::collections::BTreeSet;
use std::time::Instant;

use hashbrown::HashMap;

/// Calls that their owner gave up, and that the peer has not answered yet, by the numbers of their
/// requests.
#[derive(Debug, Default)]
pub(super) struct GivenUpCalls {
    /// Time of each cancel. `None` if none was sent.
    calls: HashMap<u64, Option<Instant>>,
    /// Cancels in the order of their times.
    cancels: BTreeSet<(Instant, u64)>,
}

impl GivenUpCalls {
    /// Adds a call. `cancelled_at`: time of its cancel, if one was sent.
    pub(super) fn add(&mut self, request: u64, cancelled_at: Option<Instant>) {
        self.calls.insert(request, cancelled_at);
        self.cancels.extend(cancelled_at.map(|at| (at, request)));
    }

    #[cold]
    pub(super) fn remove(&mut self, request: u64) {
        if let Some(Some(at)) = self.calls.remove(&request) {
            self.cancels.remove(&(at, request));
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Time of the oldest cancel.
    pub(super) fn oldest_cancel(&self) -> Option<Instant> {
        self.cancels.first().map(|(at, _)| *at)
    }
}
