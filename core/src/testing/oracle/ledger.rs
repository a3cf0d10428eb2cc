use std::collections::VecDeque;
use std::time::Instant;

use super::flow::Flow;
use crate::testing::Endpoint;
use crate::{Body, ErrorKind, Role, Streams, TxId};

/// State of one accepted request at both endpoints. Its number is its index in the oracle, the
/// token of its call and the first 8 bytes of its body.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) from: Endpoint,
    pub(super) id: TxId,
    pub(super) oneway: bool,
    pub(super) streams: Streams,
    /// Items of the caller, and of the callee.
    pub(super) from_caller: Flow,
    pub(super) from_callee: Flow,
    pub(super) body: Body,
    pub(super) deadline: Option<Instant>,
    /// `true` if the frame of the request was sent.
    pub(super) sent: bool,
    /// `true` if the peer received the request.
    pub(super) seen: bool,
    /// `true` if the owner got `Executed::No` or retracted the call.
    pub(super) never: bool,
    /// `true` if the owner got the result or gave up the call. Always `true` for a oneway message.
    pub(super) ended: bool,
    /// Time of the cancel, if one was sent.
    pub(super) cancelled_at: Option<Instant>,
    pub(super) answer: Option<Answer>,
}

/// Answer of the peer to a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Reply(Body),
    Error(ErrorKind),
    /// The request was cancelled, whatever its handler answers.
    Cancelled,
}

/// Frame that an endpoint must send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum QueuedFrame {
    Request(usize),
    Answer(usize),
    Cancel(TxId),
    Pong,
    /// Credit of this size.
    Credit(u64),
    /// Item of a request, from this side in this role: its index in the flow.
    Item(usize, Role, usize),
    ItemsEnd(usize),
    /// Credit of this size for the items of the peer. The role is that of this side.
    ItemCredit(usize, Role, u64),
    GoAway,
}

/// Expected state of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Frames to send, in order.
    pub(super) outgoing: VecDeque<QueuedFrame>,
    /// Calls that the peer does not take yet, in order.
    pub(super) held: VecDeque<usize>,
    /// Requests that were retracted since the queue was last empty. Each may keep its slot until
    /// the frames before it are sent.
    pub(super) retracted: usize,
    /// Calls whose ids are in use, the oldest first.
    pub(super) in_use: Vec<usize>,
    /// Unanswered requests of the peer, the oldest first.
    pub(super) serving: Vec<usize>,
    /// Cost of the oneway messages of this side that may not be finished, as far as it knows.
    pub(super) oneway_cost: usize,
    /// Unfinished oneway messages of the peer.
    pub(super) unfinished: Vec<usize>,
    /// Cost of the finished ones for which no credit was given back.
    pub(super) finished_cost: usize,
    /// Newest call that arrived. No call may arrive out of order or twice.
    pub(super) newest_call: Option<usize>,
    /// The same for oneway messages, which may overtake calls that were held.
    pub(super) newest_oneway: Option<usize>,
    /// Streams of which the owner must learn that something is new.
    pub(super) ready: Vec<(Role, TxId)>,
    pub(super) sent_go_away: bool,
    pub(super) received_go_away: bool,
    pub(super) failed: bool,
}

impl Ledger {
    /// Takes the frame that must be sent next.
    pub(super) fn pop(&mut self) -> Option<QueuedFrame> {
        let frame = self.outgoing.pop_front();
        if self.outgoing.is_empty() {
            self.retracted = 0;
        }
        frame
    }
}
