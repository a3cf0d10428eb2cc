use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;

/// Reason why a call or a oneway message waits before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// The worker is being restarted.
    Restart,
    /// The queue of bytes to write is full. Only a oneway message waits for it: memory for a call
    /// is bounded by its caller, who waits for the answer.
    QueueFull,
    /// The peer has as many unfinished oneway messages as it takes.
    MaxOneways,
    /// Another call that was in flight at an earlier crash is being retried.
    Suspect,
}

impl WaitReason {
    /// Returns `true` if the wait ends with other calls. They may wait for this one, if it is
    /// nested.
    pub(super) fn is_for_calls(self) -> bool {
        // The peer reads in any case, and a successor starts beside a worker that leaves.
        matches!(self, Self::Suspect | Self::MaxOneways)
    }
}

/// Properties of a call on which it depends if it must wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallKind {
    /// `true` if the call was in flight at an earlier crash.
    pub(super) is_suspect: bool,
    pub(super) is_oneway: bool,
    /// `true` if an earlier call waits for the call.
    pub(super) is_nested: bool,
}

/// Timeout of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTimeout {
    /// Timeout that was set. Errors name it.
    pub(super) whole: Duration,
    /// Rest of it, because the call may have waited.
    pub(super) rest: Duration,
}

/// Calls that have not started, because they wait for a worker that is being restarted or for
/// another suspect, and oneway messages that wait for their peer.
#[derive(Debug, Default)]
pub(super) struct ParkedCalls {
    /// Calls that wait for the connection.
    calls: HashMap<u64, Parked>,
    /// Oneway messages that wait for space in the queue, or until the peer has finished others.
    oneways: HashMap<u64, Parked>,
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

    /// Parks a call, if [`remove`](Self::remove) has just removed it or its key is new.
    pub(super) fn park(&mut self, key: u64, parked: Parked, reason: WaitReason) {
        let calls = match reason {
            WaitReason::Suspect => &mut self.suspects,
            WaitReason::QueueFull | WaitReason::MaxOneways => &mut self.oneways,
            WaitReason::Restart => &mut self.calls,
        };
        calls.insert(key, parked);
    }

    /// Removes a call. `None` if it was [drained](Self::drain). Drop the waker after the mutex is
    /// released.
    pub(super) fn remove(&mut self, key: u64) -> Option<Parked> {
        [&mut self.calls, &mut self.oneways, &mut self.suspects]
            .into_iter()
            .find_map(|calls| calls.remove(&key))
    }

    /// Returns `true` if no call waits for the connection.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Removes all calls that wait for the connection, and returns them.
    pub(super) fn drain(&mut self) -> Vec<Parked> {
        self.calls.drain().map(|(_, call)| call).collect()
    }

    /// Returns `true` if a oneway message waits for the peer.
    pub(super) fn has_oneways(&self) -> bool {
        !self.oneways.is_empty()
    }

    /// Removes all oneway messages that wait for the peer, and returns them.
    pub(super) fn drain_oneways(&mut self) -> Vec<Parked> {
        self.oneways.drain().map(|(_, call)| call).collect()
    }

    /// Removes all calls that wait until no other suspect runs, and returns them.
    pub(super) fn drain_suspects(&mut self) -> Vec<Parked> {
        self.suspects.drain().map(|(_, call)| call).collect()
    }
}
