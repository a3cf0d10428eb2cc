use std::collections::VecDeque;

use crate::{Body, Error, GoAway, Request, Response, TxId};

/// End of a call with streams.
#[derive(Debug)]
pub struct StreamEnd {
    /// Items that have arrived and that the owner has not taken. They come before the result.
    pub items: VecDeque<Body>,
    /// Reply or error of the call.
    pub result: Result<Response, Error>,
    /// `true` if the call has timed out while it waited for its owner: items that had arrived were
    /// not finished, or the peer took more items than were sent.
    pub waited_for_owner: bool,
}

/// Outcome that a [`Connection`](super::Connection) reports to its owner.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// A call of this side ended.
    Answered {
        /// Token that the owner passed to [`call`](super::Connection::call).
        token: T,
        /// Reply or error of the call.
        result: Result<Response, Error>,
    },
    /// A call of this side that has [streams](crate::Streams) ended.
    StreamEnded {
        /// Token that the owner passed to [`call`](super::Connection::call).
        token: T,
        /// Rest of the items, and the result. Boxed, because the events of all calls are moved.
        end: Box<StreamEnd>,
    },
    /// The peer sent a request. Answer it, unless it is oneway.
    Requested(Request),
    /// The peer cancelled the request with this id. Stop its handler, and answer the request when
    /// the handler has ended.
    Cancelled(TxId),
    /// The peer starts no more calls.
    GoAway(GoAway),
}
