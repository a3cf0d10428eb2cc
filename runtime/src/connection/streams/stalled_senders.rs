use hashbrown::HashMap;
use isolated_workers_core::TxId;

/// Senders of items that wait for space in the queue. Each is here at most once, and only until its
/// call ends.
#[derive(Default)]
pub(super) struct StalledSenders {
    /// Numbers of the senders, in the order in which they began to wait.
    senders: HashMap<Sender, u64>,
    next: u64,
}

/// Sender of the items of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Sender {
    /// Call of this side, with the key of its waiter.
    Call(usize),
    /// Request of the peer.
    Request(TxId),
}

impl StalledSenders {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    pub(super) fn insert(&mut self, sender: Sender) {
        self.senders.entry(sender).or_insert(self.next);
        self.next += 1;
    }

    #[cold]
    pub(super) fn remove(&mut self, sender: &Sender) {
        self.senders.remove(sender);
    }

    pub(super) fn clear(&mut self) {
        self.senders.clear();
    }

    /// Takes all senders, in the order in which they began to wait.
    pub(super) fn take(&mut self) -> Vec<Sender> {
        let mut senders: Vec<_> = self.senders.drain().collect();
        senders.sort_unstable_by_key(|(_, number)| *number);
        senders.into_iter().map(|(sender, _)| sender).collect()
    }
}
