use std::collections::VecDeque;

use super::Admission;
use super::id_table::IdTable;
use crate::{Body, RemoteError, Role, Streams, TxId};

/// Streams of the calls of one connection. A call without streams has no entry.
#[derive(Debug)]
pub(super) struct StreamTable {
    /// Streams of the calls of this side.
    calls: IdTable<CallStreams>,
    /// Streams of the requests of the peer.
    serving: IdTable<CallStreams>,
    /// Size of the items of one stream that this side takes.
    own_item_bytes: usize,
    /// Size of the items of one stream that the peer takes.
    peer_item_bytes: usize,
    /// Streams that have something new for the owner.
    ready: VecDeque<(Role, TxId)>,
}

/// Both directions of the streams of one call.
#[derive(Debug)]
struct CallStreams {
    received: Option<Received>,
    sent: Option<Sent>,
    /// Error that is to be the answer of this side, because it could not send an item. Both
    /// directions have ended.
    failure: Option<Box<RemoteError>>,
}

/// Items from the peer.
#[derive(Debug, Default)]
struct Received {
    /// Items that the owner has not taken.
    items: VecDeque<Body>,
    /// Cost of the items for which no credit was given back.
    used: usize,
    /// Part of `used` whose items were taken.
    taken: usize,
    has_ended: bool,
}

/// Items to the peer.
#[derive(Debug, Default)]
struct Sent {
    /// Cost of the items for which no credit has come back.
    used: usize,
    has_ended: bool,
    /// Numbers of the frames that a caller has queued, the oldest first. Some may have been taken
    /// from the queue.
    queued: VecDeque<u64>,
}

impl Sent {
    /// Adds the number of a frame that was queued, and forgets those below `first`, which were
    /// taken from the queue.
    fn queue(&mut self, number: u64, first: u64) {
        while self.queued.front().is_some_and(|&oldest| oldest < first) {
            self.queued.pop_front();
        }
        self.queued.push_back(number);
    }
}

/// Remains of the streams of a call that has ended.
#[derive(Debug, Default)]
pub(super) struct ClosedStreams {
    /// Items that the owner has not taken.
    pub(super) items: VecDeque<Body>,
    /// Numbers of the frames that a caller has queued.
    pub(super) queued: VecDeque<u64>,
    /// Error with which a callee is to answer, because it could not send an item.
    pub(super) failure: Option<Box<RemoteError>>,
}

/// Breach of the protocol by a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// The call has no stream in this direction, or it has ended.
    NoStream,
    /// The items exceed the credit.
    NoCredit,
}

/// Reason why a call with streams waits for its own caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerWait {
    /// It has not finished the items that have arrived.
    UnfinishedItems,
    /// The callee takes more items than it has sent.
    UnsentItems,
}

/// Side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Own,
    Peer,
}

/// State of a stream for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// An item may be sent.
    Ready,
    /// The peer must take items first, or take the request.
    Waiting,
    /// The call has ended, or its caller has ended the items: nothing may be sent.
    Ended,
}

/// State of a stream for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// More items may arrive.
    Open,
    /// All items have arrived.
    Ended,
    /// The call has ended, was cancelled, or has no such stream. Items may be missing.
    Closed,
}

impl StreamTable {
    pub(super) fn new(own: Admission, peer: Admission) -> Self {
        Self {
            calls: IdTable::new(),
            serving: IdTable::new(),
            own_item_bytes: own.item_bytes,
            peer_item_bytes: peer.item_bytes,
            ready: VecDeque::new(),
        }
    }

    /// Returns `true` if no call has streams.
    #[inline]
    pub(super) fn is_empty(&self, role: Role) -> bool {
        self.table(role).len() == 0
    }

    fn table(&self, role: Role) -> &IdTable<CallStreams> {
        match role {
            Role::Caller => &self.calls,
            Role::Callee => &self.serving,
        }
    }

    fn table_mut(&mut self, role: Role) -> &mut IdTable<CallStreams> {
        match role {
            Role::Caller => &mut self.calls,
            Role::Callee => &mut self.serving,
        }
    }

    /// Returns the side because of which a call in which this side has `role` may not have these
    /// streams. A peer that announces no items need not know streams, so it gets no request with
    /// one.
    pub(super) fn refuses(&self, role: Role, streams: Streams) -> Option<Side> {
        let (sends, receives) = directions(role, streams);
        let needs_peer = sends || receives && role == Role::Caller;
        if needs_peer && self.peer_item_bytes == 0 {
            return Some(Side::Peer);
        }
        (receives && self.own_item_bytes == 0).then_some(Side::Own)
    }

    /// Opens the streams of a call, in which this side has `role`.
    pub(super) fn open(&mut self, role: Role, id: &TxId, streams: Streams) {
        let (sends, receives) = directions(role, streams);
        let (received, sent) = (receives.then(Received::default), sends.then(Sent::default));
        let call = CallStreams { received, sent, failure: None };
        self.table_mut(role).insert(id, call);
    }

    /// Removes the streams of a call that has ended. Not inlined: most calls have none.
    #[cold]
    pub(super) fn close(&mut self, role: Role, id: &TxId) -> Option<ClosedStreams> {
        let CallStreams { received, sent, failure } = self.table_mut(role).remove(id)?;
        Some(ClosedStreams {
            items: received.map(|received| received.items).unwrap_or_default(),
            queued: sent.map(|sent| sent.queued).unwrap_or_default(),
            failure,
        })
    }

    /// Ends the streams of a request of the peer, which is to be answered with `failure`. Does
    /// nothing if they have ended.
    pub(super) fn fail(&mut self, id: &TxId, failure: Box<RemoteError>) {
        if let Some(call) = self.serving.get_mut(id).filter(|call| call.failure.is_none()) {
            *call = CallStreams { received: None, sent: None, failure: Some(failure) };
            self.ready.push_back((Role::Callee, id.clone()));
        }
    }

    /// Returns what the owner of a call of this side could do for its streams, if anything.
    pub(super) fn caller_wait(&self, id: &TxId) -> Option<CallerWait> {
        let CallStreams { received, sent, .. } = self.calls.get(id)?;
        if received.as_ref().is_some_and(|received| received.taken < received.used) {
            return Some(CallerWait::UnfinishedItems);
        }
        let may_send = sent.as_ref().is_some_and(|sent| !sent.has_ended && sent.used < self.peer_item_bytes);
        may_send.then_some(CallerWait::UnsentItems)
    }

    pub(super) fn clear(&mut self) {
        (self.calls, self.serving) = (IdTable::new(), IdTable::new());
        self.ready.clear();
    }

    /// Adds an item of the peer. `None` if the call has no streams.
    pub(super) fn receive(&mut self, role: Role, id: &TxId, item: Body) -> Option<Result<(), Breach>> {
        let max = self.own_item_bytes;
        let call = self.table_mut(role).get_mut(id)?;
        if call.failure.is_some() {
            return Some(Ok(()));
        }
        let Some(received) = call.received.as_mut().filter(|received| !received.has_ended) else {
            return Some(Err(Breach::NoStream));
        };
        if received.used >= max {
            return Some(Err(Breach::NoCredit));
        }
        received.used += Admission::item_cost(&item);
        received.items.push_back(item);
        if received.items.len() == 1 {
            self.ready.push_back((role, id.clone()));
        }
        Some(Ok(()))
    }

    /// Records that the peer, a caller, sends no more items. `None` if the call has no streams.
    pub(super) fn receive_end(&mut self, id: &TxId) -> Option<Result<(), Breach>> {
        let call = self.serving.get_mut(id)?;
        if call.failure.is_some() {
            return Some(Ok(()));
        }
        let Some(received) = call.received.as_mut().filter(|received| !received.has_ended) else {
            return Some(Err(Breach::NoStream));
        };
        received.has_ended = true;
        self.ready.push_back((Role::Callee, id.clone()));
        Some(Ok(()))
    }

    /// Records credit from the peer. More than was used has no effect.
    pub(super) fn receive_credit(&mut self, role: Role, id: &TxId, bytes: u64) {
        let max = self.peer_item_bytes;
        let Some(sent) = self.table_mut(role).get_mut(id).and_then(|call| call.sent.as_mut()) else { return };
        let was_waiting = sent.used >= max;
        sent.used = sent.used.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
        if was_waiting && sent.used < max {
            self.ready.push_back((role, id.clone()));
        }
    }

    /// Moves the items that have arrived to `into`.
    pub(super) fn take(&mut self, role: Role, id: &TxId, into: &mut VecDeque<Body>) -> Receiving {
        let received = self.table_mut(role).get_mut(id).and_then(|call| call.received.as_mut());
        let Some(received) = received else { return Receiving::Closed };
        into.append(&mut received.items);
        if received.has_ended { Receiving::Ended } else { Receiving::Open }
    }

    /// Returns `true` if items of a call of this side have arrived that the owner has not taken.
    pub(super) fn has_items(&self, id: &TxId) -> bool {
        let received = self.calls.get(id).and_then(|call| call.received.as_ref());
        received.is_some_and(|received| !received.items.is_empty())
    }

    /// Records that the owner has taken items that cost `cost`. Returns the credit to give back,
    /// once it is half of what is taken.
    pub(super) fn finish(&mut self, role: Role, id: &TxId, cost: usize) -> Option<u64> {
        let max = self.own_item_bytes;
        let received = self.table_mut(role).get_mut(id)?.received.as_mut()?;
        received.taken = (received.taken + cost).min(received.used);
        if received.has_ended || received.taken < max.div_ceil(2) {
            return None;
        }
        let credit = std::mem::take(&mut received.taken);
        received.used -= credit;
        Some(credit as u64)
    }

    /// Cost of the items that may be sent. The last of them may exceed it.
    pub(super) fn room(&self, role: Role, id: &TxId) -> usize {
        match self.table(role).get(id).and_then(|call| call.sent.as_ref()) {
            Some(sent) if !sent.has_ended => self.peer_item_bytes.saturating_sub(sent.used),
            _ => 0,
        }
    }

    pub(super) fn sending(&self, role: Role, id: &TxId) -> Sending {
        match self.table(role).get(id).and_then(|call| call.sent.as_ref()) {
            None | Some(Sent { has_ended: true, .. }) => Sending::Ended,
            Some(sent) if sent.used >= self.peer_item_bytes => Sending::Waiting,
            Some(_) => Sending::Ready,
        }
    }

    /// Records an item to the peer. Returns `false` if none may be sent. `queued`: number of its
    /// frame, and of the first one that is still queued.
    pub(super) fn send(&mut self, role: Role, id: &TxId, item: &Body, (number, first): (u64, u64)) -> bool {
        let max = self.peer_item_bytes;
        let sent = self.table_mut(role).get_mut(id).and_then(|call| call.sent.as_mut());
        let Some(sent) = sent.filter(|sent| !sent.has_ended && sent.used < max) else { return false };
        sent.used += Admission::item_cost(item);
        if role == Role::Caller {
            sent.queue(number, first);
        }
        true
    }

    /// Records the number of a frame that this side, the caller, has queued. Those below `popped`
    /// were taken from the queue.
    pub(super) fn queue(&mut self, id: &TxId, number: u64, popped: u64) {
        if let Some(sent) = self.calls.get_mut(id).and_then(|call| call.sent.as_mut()) {
            sent.queue(number, popped);
        }
    }

    /// Records that this side, the caller, sends no more items. Returns `false` if it had ended
    /// before.
    pub(super) fn end(&mut self, id: &TxId) -> bool {
        let sent = self.calls.get_mut(id).and_then(|call| call.sent.as_mut());
        sent.is_some_and(|sent| !std::mem::replace(&mut sent.has_ended, true))
    }

    /// Tells the owner of a stream that something is new.
    pub(super) fn set_ready(&mut self, role: Role, id: TxId) {
        if self.table(role).contains(&id) {
            self.ready.push_back((role, id));
        }
    }

    #[inline]
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn poll_ready(&mut self) -> Option<(Role, TxId)> {
        self.ready.pop_front()
    }

    /// Size of the items that arrived and that the owner has not taken, in bytes.
    pub(super) fn untaken_bytes(&self) -> usize {
        let calls = self.calls.iter().chain(self.serving.iter());
        let received = calls.filter_map(|(_, call)| call.received.as_ref());
        received.flat_map(|received| &received.items).map(Body::len).sum()
    }
}

/// Returns whether a side with this role sends items, and whether it receives some.
fn directions(role: Role, streams: Streams) -> (bool, bool) {
    match role {
        Role::Caller => (streams.from_caller, streams.from_callee),
        Role::Callee => (streams.from_callee, streams.from_caller),
    }
}
