use std::time::Duration;

use crate::{Error, Request, Response, TxId};

/// What a frame, or time, did to a connection.
#[derive(Debug)]
pub enum Event<T> {
    /// A call of this side is over.
    Answered {
        /// What the owner gave with the call.
        token: T,
        /// How it went.
        result: Result<Response, Error>,
    },
    /// The other side wants a message handled, and, unless it is oneway, answered.
    Requested(Request),
    /// The other side no longer wants this request handled. It has been answered already.
    Cancelled(TxId),
    /// The other side starts no more calls.
    GoAway {
        /// How long this side is to wait for another connection once this one has ended. `None`: not at all.
        linger: Option<Duration>,
    },
}
