use std::collections::VecDeque;
use std::time::Instant;

use crate::testing::End;
use crate::{Body, ErrorKind, TxId};

/// All that there is to know of one accepted request, at both ends. Its number is its place in the oracle's list, the
/// token of its call and the beginning of its body.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) from: End,
    pub(super) id: TxId,
    pub(super) oneway: bool,
    pub(super) body: Body,
    pub(super) deadline: Option<Instant>,
    /// Its frame has left its end.
    pub(super) left: bool,
    /// The other end's owner was told of it.
    pub(super) seen: bool,
    /// Its owner was promised that it is not run.
    pub(super) never: bool,
    /// Its owner has got its end, or has given it up. Whoever sends a oneway message waits for nothing.
    pub(super) ended: bool,
    pub(super) answer: Option<Answer>,
}

/// What the other end made of a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Reply(Body),
    Error(ErrorKind),
    /// The connection's own, to a cancel.
    Cancelled,
}

/// A frame that must leave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    Request(usize),
    Answer(usize),
    Cancel(TxId),
    Pong,
    GoAway,
}

/// What an end must know, kept in the plainest way there is.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// In the order in which they must leave.
    pub(super) outgoing: VecDeque<Outgoing>,
    /// The calls whose id is in use, the oldest first.
    pub(super) in_use: Vec<usize>,
    /// The requests of the other end that are not answered, the oldest first.
    pub(super) serving: Vec<usize>,
    /// The newest request that was seen: none comes out of order, or again.
    pub(super) newest: Option<usize>,
    pub(super) sent_go_away: bool,
    pub(super) received_go_away: bool,
    pub(super) failed: bool,
}
