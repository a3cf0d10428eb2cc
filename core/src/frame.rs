use std::time::Duration;

use crate::{Body, Budget, Metadata, Name, RemoteError, Request, Response, Role, Streams, TxId};

/// Unit of the wire protocol. The framing of a codec encodes and decodes frames.
/// [`protocol`](crate::protocol) defines their meaning.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Frame {
    /// Asks the receiver to handle a message.
    Request {
        /// Id that the answer to this request repeats.
        id: TxId,
        /// The request. A received request holds the id as well.
        request: Request,
    },
    /// Successful answer to a request.
    Reply {
        /// Id of the request.
        id: TxId,
        /// Name of the message. Empty if the codec does not write it.
        name: Name,
        /// Encoded reply and metadata.
        response: Response,
    },
    /// Answer to a request that failed.
    Error {
        /// Id of the request.
        id: TxId,
        /// Name of the message. Empty if the codec does not write it.
        name: Name,
        /// The error.
        error: Box<RemoteError>,
    },
    /// Cancels a request. The request still gets an answer, which frees its id.
    Cancel {
        /// Id of the request.
        id: TxId,
    },
    /// Keep-alive probe.
    Ping,
    /// Answer to `Ping`.
    Pong,
    /// Permission to send further oneway messages, because some are finished.
    Credit {
        /// Size that the finished messages [count](crate::protocol::Admission::oneway_bytes), in
        /// bytes.
        bytes: u64,
    },
    /// Item of a [stream](crate::Streams) that belongs to a call.
    Item {
        /// Id of the request.
        id: TxId,
        /// Role of the sender in the call.
        from: Role,
        /// Encoded item. Boxed, because every frame is moved often and must stay small.
        body: Box<Body>,
    },
    /// End of the items of a caller. The items of a callee end with its answer.
    ItemsEnd {
        /// Id of the request.
        id: TxId,
    },
    /// Permission to send further items of a stream, because some were taken.
    ItemCredit {
        /// Id of the request.
        id: TxId,
        /// Role of the sender in the call. It receives the items.
        from: Role,
        /// Size that the taken items [count](crate::protocol::Admission::item_cost), in bytes.
        bytes: u64,
    },
    /// Announces that the sender starts no more calls and is about to end the stream.
    GoAway(GoAway),
    /// Frame from a peer that writes no frame kinds, with a name that ends like the name of an
    /// answer. The frame is the answer if a call with its id is in flight, and the request
    /// otherwise. It is never sent.
    Unmarked {
        /// A [`Reply`](Self::Reply) or an [`Error`](Self::Error).
        answer: Box<Frame>,
        /// A [`Request`](Self::Request) with the same id.
        request: Box<Frame>,
    },
}

/// Reaction that a go-away asks of its receiver. It has a meaning only for a worker. A go-away of a
/// worker announces its own end, except [`PrepareDetach`](Self::PrepareDetach) and
/// [`Detach`](Self::Detach), which it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoAway {
    /// End at once.
    End,
    /// Finish everything that has arrived, including oneway messages, and then end.
    Drain,
    /// End the stream, and wait this long for another connection.
    Linger(Duration),
    /// Get ready to be detached: repeat this go-away, and wait for the next one.
    PrepareDetach,
    /// Outlive the host: repeat this go-away, and when the host ends the stream, wait for another
    /// connection without a limit. Another go-away takes this back.
    Detach,
}

impl Frame {
    /// Creates a received request. `timeout` is the time for which the sender waits, if it sent
    /// one. It is a duration and not a deadline, because two processes need not share a clock.
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

    /// Sets the streams of a received request. Does nothing for other kinds.
    pub fn set_streams(&mut self, streams: Streams) {
        if let Self::Request { request, .. } = self {
            request.set_streams(streams);
        }
    }

    /// Creates a received reply.
    #[inline]
    pub fn reply(id: TxId, name: Name, body: Body, metadata: Metadata) -> Self {
        Self::Reply { id, name, response: Response::with_metadata(body, metadata) }
    }

    /// Id of the transaction. `None` for kinds without one.
    #[inline]
    pub fn id(&self) -> Option<&TxId> {
        match self {
            Self::Request { id, .. }
            | Self::Reply { id, .. }
            | Self::Error { id, .. }
            | Self::Cancel { id }
            | Self::Item { id, .. }
            | Self::ItemsEnd { id }
            | Self::ItemCredit { id, .. } => Some(id),
            Self::Unmarked { request, .. } => request.id(),
            Self::Ping | Self::Pong | Self::Credit { .. } | Self::GoAway(_) => None,
        }
    }

    /// Timeout of a request as it is written on the wire. `None` if the request has no timeout or a
    /// timeout of zero, which means no limit.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Request { request, .. } => request.timeout().filter(|timeout| !timeout.is_zero()),
            _ => None,
        }
    }

    /// Encoded payload. `None` for kinds without one.
    #[inline]
    pub fn body(&self) -> Option<&Body> {
        match self {
            Self::Request { request, .. } => Some(request.body()),
            Self::Reply { response, .. } => Some(response.body()),
            Self::Item { body, .. } => Some(body),
            Self::Unmarked { request, .. } => request.body(),
            _ => None,
        }
    }

    /// Encoded payload, mutable. `None` for kinds without one.
    #[inline]
    pub fn body_mut(&mut self) -> Option<&mut Body> {
        match self {
            Self::Request { request, .. } => Some(request.body_mut()),
            Self::Reply { response, .. } => Some(response.body_mut()),
            Self::Item { body, .. } => Some(body),
            Self::Unmarked { request, .. } => request.body_mut(),
            _ => None,
        }
    }

    /// Keys and values sent with the payload. `None` for kinds without metadata.
    #[inline]
    pub fn metadata(&self) -> Option<&Metadata> {
        match self {
            Self::Request { request, .. } => Some(request.metadata()),
            Self::Reply { response, .. } => Some(response.metadata()),
            Self::Unmarked { request, .. } => request.metadata(),
            _ => None,
        }
    }

    /// Sets the budget for decoding the value in the frame. The receiver calls it for every frame,
    /// with any framing.
    #[inline]
    pub fn set_budget(&mut self, budget: Budget) {
        match self {
            // The framing may have set the budget already.
            Self::Request { request, .. } if request.body().budget() != budget => {
                request.body_mut().set_budget(budget);
            }
            Self::Reply { response, .. } if response.body().budget() != budget => {
                response.body_mut().set_budget(budget);
            }
            Self::Item { body, .. } => body.set_budget(budget),
            Self::Error { error, .. } => error.set_budget(budget),
            _ => {}
        }
    }

    /// Approximate size in bytes of the payload, the metadata and a text id, counted for
    /// backpressure. 0 for kinds without a payload.
    ///
    /// Names are counted only in errors, so the encoded frame may be larger. A peer chooses the
    /// name in an error that refuses its request.
    #[inline]
    pub fn weight(&self) -> usize {
        match self {
            Self::Request { id, request } => request.body().len() + extra_weight(id, request.metadata()),
            Self::Reply { id, response, .. } => response.body().len() + extra_weight(id, response.metadata()),
            Self::Error { id, name, error } => error_weight(id, name, error),
            Self::Item { id, body, .. } => body.len() + id.text_len(),
            _ => 0,
        }
    }
}

/// Weight of what most frames do not have.
#[inline]
fn extra_weight(id: &TxId, metadata: &Metadata) -> usize {
    #[cold]
    fn weight(id: &TxId, metadata: &Metadata) -> usize {
        id.text_len() + metadata.memory()
    }
    if id.as_number().is_some() && metadata.is_empty() { 0 } else { weight(id, metadata) }
}

#[cold]
fn error_weight(id: &TxId, name: &Name, error: &RemoteError) -> usize {
    let texts = [&error.name, &error.message].into_iter().chain(&error.code).chain(&error.stack);
    let texts = texts.chain(&error.chain).map(String::len).sum::<usize>();
    id.text_len() + name.as_str().len() + texts + error.data.as_ref().map_or(0, |data| data.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Queues and batches of frames move them several times for each call.
    const _: () = assert!(size_of::<Frame>() <= 64);
}
