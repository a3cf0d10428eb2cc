use std::collections::VecDeque;

use crate::{Body, Error, GoAway, Request, Response, TxId};

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
        /// Items that have arrived and that the owner has not taken. They come before the result.
        items: VecDeque<Body>,
        /// Reply or error of the call.
        result: Result<Response, Error>,
    },
    /// The peer sent a request. Answer it, unless it is oneway.
    Requested(Request),
    /// The peer cancelled the request with this id. Stop its handler, and answer the request when the
    /// handler has ended.
    Cancelled(TxId),
    /// The peer starts no more calls.
    GoAway(GoAway),
}
