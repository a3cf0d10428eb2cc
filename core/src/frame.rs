use std::time::Duration;

use crate::{Body, Budget, Metadata, Name, RemoteError, Request, Response, TxId};

/// One unit of the wire. A codec's framing turns it into bytes and back; [`protocol`](crate::protocol) gives it its
/// meaning.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Frame {
    /// The sender wants a message handled.
    Request {
        /// Ties the answer to this request.
        id: TxId,
        /// What is wanted. One that was read has the id, too.
        request: Request,
    },
    /// The answer to a request.
    Reply {
        /// The id of the request.
        id: TxId,
        /// The message that is answered; empty where the codec does not write it.
        name: Name,
        /// The encoded reply, and what travels beside it.
        response: Response,
    },
    /// The answer to a request that failed.
    Error {
        /// The id of the request.
        id: TxId,
        /// The message that failed; empty where the codec does not write it.
        name: Name,
        /// Why.
        error: Box<RemoteError>,
    },
    /// The sender no longer wants the answer to a request; it gets one all the same, so that its id is free again.
    Cancel {
        /// The id of the request.
        id: TxId,
    },
    /// Asks for a sign of life.
    Ping,
    /// Gives it.
    Pong,
    /// The sender starts no more calls and is about to end the stream.
    GoAway {
        /// How long the receiver is to wait for another connection once this one has ended. `None`: not at all.
        linger: Option<Duration>,
    },
    /// What can be read in two ways, because the other side tells no kinds and the name ends as that of an answer does.
    /// It is the answer where this side has asked, and the request where it has not. Never sent.
    Unmarked {
        /// A [`Reply`](Self::Reply) or an [`Error`](Self::Error).
        answer: Box<Frame>,
        /// A [`Request`](Self::Request) with the same id.
        request: Box<Frame>,
    },
}

impl Frame {
    /// A request as a framing has read it: `timeout` is how long the sender will wait, where it said so for this message or
    /// call. A duration, because two processes need not agree on the time.
    #[inline]
    pub fn request(
        id: TxId,
        name: Name,
        body: Body,
        metadata: Metadata,
        oneway: bool,
        timeout: Option<Duration>,
    ) -> Self {
        Self::Request { request: Request::received(id.clone(), name, body, metadata, oneway, timeout), id }
    }

    /// A reply as a framing has read it.
    #[inline]
    pub fn reply(id: TxId, name: Name, body: Body, metadata: Metadata) -> Self {
        Self::Reply { id, name, response: Response::with_metadata(body, metadata) }
    }

    /// The id of the transaction, in the kinds that have one.
    #[inline]
    pub fn id(&self) -> Option<&TxId> {
        match self {
            Self::Request { id, .. }
            | Self::Reply { id, .. }
            | Self::Error { id, .. }
            | Self::Cancel { id } => Some(id),
            Self::Unmarked { request, .. } => request.id(),
            Self::Ping | Self::Pong | Self::GoAway { .. } => None,
        }
    }

    /// How long the sender of a request says that it will wait: what is written of its timeout, where zero is no limit.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Request { request, .. } => request.timeout().filter(|timeout| !timeout.is_zero()),
            _ => None,
        }
    }

    /// The encoded payload, in the kinds that have one.
    #[inline]
    pub fn body(&self) -> Option<&Body> {
        match self {
            Self::Request { request, .. } => Some(request.body()),
            Self::Reply { response, .. } => Some(response.body()),
            Self::Unmarked { request, .. } => request.body(),
            _ => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn body_mut(&mut self) -> Option<&mut Body> {
        match self {
            Self::Request { request, .. } => Some(request.body_mut()),
            Self::Reply { response, .. } => Some(response.body_mut()),
            Self::Unmarked { request, .. } => request.body_mut(),
            _ => None,
        }
    }

    /// The keys and values beside the payload, in the kinds that have them.
    #[inline]
    pub fn metadata(&self) -> Option<&Metadata> {
        match self {
            Self::Request { request, .. } => Some(request.metadata()),
            Self::Reply { response, .. } => Some(response.metadata()),
            Self::Unmarked { request, .. } => request.metadata(),
            _ => None,
        }
    }

    /// Sets what the value may take that the frame carries: what whoever receives a frame does, whatever its framing.
    #[inline]
    pub fn set_budget(&mut self, budget: Budget) {
        match self {
            // The framing may have done it already.
            Self::Request { request, .. } if request.body().budget() != budget => {
                request.body_mut().set_budget(budget);
            }
            Self::Reply { response, .. } if response.body().budget() != budget => {
                response.body_mut().set_budget(budget);
            }
            Self::Error { error, .. } => error.set_budget(budget),
            _ => {}
        }
    }

    /// How many bytes the frame will take at most, or 0 where that is small and fixed: what the out queue counts.
    #[inline]
    pub fn weight(&self) -> usize {
        match self {
            Self::Request { request, .. } => request.body().len(),
            Self::Reply { response, .. } => response.body().len(),
            Self::Error { error, .. } => {
                error.data.as_ref().map_or(0, |data| data.len()) + error.message.len()
            }
            _ => 0,
        }
    }
}
