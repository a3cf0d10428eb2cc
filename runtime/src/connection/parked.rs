use std::task::{Context, Waker};

use hashbrown::HashMap;

/// Wakers of calls that have not started, because they wait for space in the queue or for a worker
/// that is being restarted.
#[derive(Debug, Default)]
pub(super) struct ParkedCalls {
    wakers: HashMap<u64, Waker>,
    last_key: u64,
}

impl ParkedCalls {
    /// Parks a call. `key` is the key from an earlier `park` of the same call, if any. Returns the
    /// key.
    pub(super) fn park(&mut self, key: Option<u64>, cx: &Context<'_>) -> u64 {
        let key = key.unwrap_or_else(|| {
            self.last_key += 1;
            self.last_key
        });
        self.wakers.insert(key, cx.waker().clone());
        key
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.wakers.remove(&key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Removes all calls and returns their wakers.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Waker> {
        self.wakers.drain().map(|(_, waker)| waker)
    }
}
