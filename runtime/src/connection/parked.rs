use std::task::{Context, Waker};

use hashbrown::HashMap;

/// Calls that have not started, because they wait for space in the queue, for a worker that is being
/// restarted, or for another suspect.
#[derive(Debug, Default)]
pub(super) struct ParkedCalls {
    /// Calls that wait for the connection.
    calls: HashMap<u64, Parked>,
    /// Calls that wait until no other suspect runs.
    suspects: HashMap<u64, Parked>,
    last_key: u64,
}

/// A parked call.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) waker: Waker,
    /// `true` if the call holds a permit for its worker.
    pub(super) has_permit: bool,
}

impl ParkedCalls {
    /// Returns a key for a call.
    pub(super) fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    /// Parks a call, if [`remove`](Self::remove) has just removed it or its key is new. `for_suspect`:
    /// `true` if it waits until no other suspect runs.
    pub(super) fn park(&mut self, key: u64, has_permit: bool, for_suspect: bool, cx: &Context<'_>) {
        let parked = Parked { waker: cx.waker().clone(), has_permit };
        let calls = if for_suspect { &mut self.suspects } else { &mut self.calls };
        calls.insert(key, parked);
    }

    /// Removes a call. `None` if it was [drained](Self::drain). Drop the waker after the mutex is
    /// released.
    pub(super) fn remove(&mut self, key: u64) -> Option<Parked> {
        self.calls.remove(&key).or_else(|| self.suspects.remove(&key))
    }

    /// Returns `true` if no call waits for the connection.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Removes all calls that wait for the connection, and returns them.
    pub(super) fn drain(&mut self) -> Vec<Parked> {
        self.calls.drain().map(|(_, call)| call).collect()
    }

    /// Removes all calls that wait until no other suspect runs, and returns them.
    pub(super) fn drain_suspects(&mut self) -> Vec<Parked> {
        self.suspects.drain().map(|(_, call)| call).collect()
    }
}
