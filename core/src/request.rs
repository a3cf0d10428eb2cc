use std::time::Duration;

use crate::{Body, Extensions, Message, Metadata, Name, TxId};

/// Where a middleware or a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// In the process that asks.
    Host,
    /// In the process that answers.
    Worker,
}

/// A call on its way: the name of its message, its encoded payload, and what was said about how to carry it out.
#[derive(Clone, Debug)]
pub struct Request {
    name: Name,
    body: Body,
    metadata: Metadata,
    id: Option<TxId>,
    timeout: Option<Duration>,
    retry: u32,
    idempotent: bool,
    oneway: bool,
    side: Side,
    extensions: Extensions,
}

impl Request {
    /// A request on the host's side for the message `M`, with a payload that its codec has encoded.
    pub fn of<M: Message>(body: Body) -> Self {
        Self {
            timeout: M::TIMEOUT,
            retry: M::RETRY,
            idempotent: M::IDEMPOTENT,
            oneway: M::ONEWAY,
            ..Self::new(Name::from_static(M::NAME), body)
        }
    }

    /// A request on the host's side for a message that is known by name only: answered, with the worker's default
    /// timeout, and not to be run again.
    pub fn new(name: Name, body: Body) -> Self {
        Self {
            name,
            body,
            metadata: Metadata::new(),
            id: None,
            timeout: None,
            retry: 0,
            idempotent: false,
            oneway: false,
            side: Side::Host,
            extensions: Extensions::default(),
        }
    }

    /// The request as a worker sees it that has just read it from its connection.
    pub(crate) fn received(
        id: TxId,
        name: Name,
        body: Body,
        metadata: Metadata,
        oneway: bool,
        timeout: Option<Duration>,
    ) -> Self {
        Self {
            name,
            body,
            metadata,
            id: Some(id),
            timeout,
            retry: 0,
            idempotent: false,
            oneway,
            side: Side::Worker,
            extensions: Extensions::default(),
        }
    }

    /// The name of the message.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The encoded payload.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Replaces the encoded payload.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// The keys and values that travel with the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The keys and values that travel with the request, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// What is known of the request on this side alone.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What is known of the request on this side alone, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The id of the transaction. On the host it is `None` until the connection gives one, unless
    /// [`set_id`](Self::set_id) chose it.
    pub fn id(&self) -> Option<&TxId> {
        self.id.as_ref()
    }

    /// Chooses the id instead of the connection's generator.
    pub fn set_id(&mut self, id: TxId) {
        self.id = Some(id);
    }

    /// How long the call may take: `None` for the worker's default, zero for no limit. On the worker: what the host
    /// said of this call in particular.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Sets how long the call may take: `None` for the worker's default, zero for no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// How many times the message may be run again after a crash ([`Message::RETRY`]): 0 for what the worker's builder
    /// says. Always 0 on the worker.
    pub fn retry(&self) -> u32 {
        self.retry
    }

    /// Sets how many times this call may be run again after a crash.
    pub fn set_retry(&mut self, times: u32) {
        self.retry = times;
    }

    /// Whether the message can be run twice without harm ([`Message::IDEMPOTENT`]). Always `false` on the worker.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether no reply is waited for.
    pub fn is_oneway(&self) -> bool {
        self.oneway
    }

    /// Where this request is now.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Name, body and metadata, to build a frame of.
    pub(crate) fn into_parts(self) -> (Name, Body, Metadata) {
        (self.name, self.body, self.metadata)
    }
}
