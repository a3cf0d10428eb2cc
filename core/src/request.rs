use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Body, Extensions, Message, Metadata, Name, TxId};

/// Role of this process in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The process that makes the call.
    Caller,
    /// The process that answers it.
    Callee,
}

/// A call on its way: the name of its message, its encoded payload, and what was said about how to carry it out.
///
/// Cloning is cheap: a clone shares most of it until one of the two is changed.
#[derive(Clone)]
pub struct Request(
    // One pointer, which travels in a register: a request goes through many hands, and none of them copies it.
    Arc<Parts>,
);

/// Shared, so that who may have to send a request again keeps it at no cost.
#[derive(Clone)]
struct Parts {
    name: Name,
    body: Body,
    metadata: Metadata,
    id: Option<TxId>,
    timeout: Option<Duration>,
    retry: u32,
    idempotent: bool,
    oneway: bool,
    role: Role,
    extensions: Extensions,
    peer: Option<u32>,
    deadline: Option<Instant>,
}

/// The key under which the number of an attempt travels.
const ATTEMPT: &str = "iw-attempt";

impl Request {
    /// A request on the host's side for the message `M`, with a payload that its codec has encoded.
    #[inline]
    pub fn of<M: Message>(body: Body) -> Self {
        Self::made_of(Parts {
            timeout: M::TIMEOUT,
            retry: M::RETRY,
            idempotent: M::IDEMPOTENT,
            oneway: M::ONEWAY,
            ..Parts::new(Name::from_static(M::NAME), body)
        })
    }

    /// A request on the host's side for a message that is known by name only: answered, with the worker's default
    /// timeout, and not to be run again.
    #[inline]
    pub fn new(name: Name, body: Body) -> Self {
        Self::made_of(Parts::new(name, body))
    }

    /// The request as a worker sees it that has just read it from its connection.
    #[inline]
    pub(crate) fn received(
        id: TxId,
        name: Name,
        body: Body,
        metadata: Metadata,
        oneway: bool,
        timeout: Option<Duration>,
    ) -> Self {
        let parts =
            Parts { metadata, id: Some(id), timeout, oneway, role: Role::Callee, ..Parts::new(name, body) };
        Self::made_of(parts)
    }

    /// The request that was encoded to what this one was decoded from, to be sent once more: on the host's side, with the id
    /// that it had. What never travels is not in it, such as its [`extensions`](Self::extensions).
    pub fn sent_back(mut self, id: TxId) -> Self {
        let parts = Arc::make_mut(&mut self.0);
        (parts.role, parts.id, parts.deadline) = (Role::Caller, Some(id), None);
        self
    }

    #[inline]
    fn made_of(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The name of the message.
    #[inline]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The name of the message, to be kept. No allocation where it is known when compiling or at most 24 bytes long.
    #[inline]
    pub fn to_name(&self) -> Name {
        self.0.name.clone()
    }

    /// The encoded payload.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// The encoded payload, to be changed.
    #[inline]
    pub fn body_mut(&mut self) -> &mut Body {
        &mut Arc::make_mut(&mut self.0).body
    }

    /// Replaces the encoded payload.
    #[inline]
    pub fn set_body(&mut self, body: Body) {
        Arc::make_mut(&mut self.0).body = body;
    }

    /// The keys and values that travel with the request.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The keys and values that travel with the request, to be changed.
    #[inline]
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut Arc::make_mut(&mut self.0).metadata
    }

    /// What is known of the request on this side alone.
    #[inline]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// What is known of the request on this side alone, to be changed.
    #[inline]
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut Arc::make_mut(&mut self.0).extensions
    }

    /// The id of the transaction. On the host it is `None` until the connection gives one, unless
    /// [`set_id`](Self::set_id) chose it.
    #[inline]
    pub fn id(&self) -> Option<&TxId> {
        self.0.id.as_ref()
    }

    /// Chooses the id instead of the connection's generator.
    #[inline]
    pub fn set_id(&mut self, id: TxId) {
        Arc::make_mut(&mut self.0).id = Some(id);
    }

    /// How long the call may take: `None` for the worker's default, zero for no limit. On the worker: what the host
    /// said of this call in particular.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// Sets how long the call may take: `None` for the worker's default, zero for no limit.
    #[inline]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        Arc::make_mut(&mut self.0).timeout = timeout;
    }

    /// When the call is to be over, on this process's clock, where that is known: on the worker from the moment that
    /// the request arrived with a [`timeout`](Self::timeout), on the host where a middleware has set it. Nothing ends
    /// the call then but who reads this; the time does not travel, a timeout does.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Sets when the call is to be over.
    #[inline]
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        Arc::make_mut(&mut self.0).deadline = deadline;
    }

    /// Which attempt of the call this is, from 1. It travels as metadata where it is not the first.
    pub fn attempt(&self) -> u32 {
        self.0.metadata.get(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1).max(1)
    }

    /// Sets which attempt of the call this is: whoever sends a request again counts up.
    pub fn set_attempt(&mut self, attempt: u32) {
        if attempt > 1 {
            self.metadata_mut().insert(ATTEMPT, attempt.to_string());
        } else {
            self.metadata_mut().remove(ATTEMPT);
        }
    }

    /// The id of the host's process, on the worker, as the host has told it in the handshake.
    #[inline]
    pub fn peer(&self) -> Option<u32> {
        self.0.peer
    }

    /// Sets the id of the process that asks.
    #[inline]
    pub fn set_peer(&mut self, peer: Option<u32>) {
        Arc::make_mut(&mut self.0).peer = peer;
    }

    /// How many times the message may be run again after a crash ([`Message::RETRY`]): 0 for what the worker's builder
    /// says. Always 0 on the worker.
    #[inline]
    pub fn retry(&self) -> u32 {
        self.0.retry
    }

    /// Sets how many times this call may be run again after a crash.
    #[inline]
    pub fn set_retry(&mut self, times: u32) {
        Arc::make_mut(&mut self.0).retry = times;
    }

    /// Whether the message can be run twice without harm ([`Message::IDEMPOTENT`]). Always `false` on the worker.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        self.0.idempotent
    }

    /// Whether no reply is waited for.
    #[inline]
    pub fn is_oneway(&self) -> bool {
        self.0.oneway
    }

    /// Makes what the other side has sent a request of this one, where no framing has: one that came by no wire.
    #[inline]
    pub(crate) fn arrive(&mut self, id: &TxId) {
        if self.role() == Role::Caller {
            let (name, body, metadata) = (self.to_name(), self.body().clone(), self.metadata().clone());
            let timeout = self.timeout().filter(|timeout| !timeout.is_zero());
            *self = Self::received(id.clone(), name, body, metadata, self.is_oneway(), timeout);
        }
    }

    /// Wants no reply.
    pub(crate) fn set_oneway(&mut self) {
        if !self.0.oneway {
            Arc::make_mut(&mut self.0).oneway = true;
        }
    }

    /// Where this request is now.
    #[inline]
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Name, body and metadata. The payload is not copied.
    #[inline]
    pub fn into_parts(self) -> (Name, Body, Metadata) {
        match Arc::try_unwrap(self.0) {
            Ok(Parts { name, body, metadata, .. }) => (name, body, metadata),
            Err(shared) => (shared.name.clone(), shared.body.clone(), shared.metadata.clone()),
        }
    }
}

impl Parts {
    #[inline]
    fn new(name: Name, body: Body) -> Self {
        Self {
            name,
            body,
            metadata: Metadata::new(),
            id: None,
            timeout: None,
            retry: 0,
            idempotent: false,
            oneway: false,
            role: Role::Caller,
            extensions: Extensions::default(),
            peer: None,
            deadline: None,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { name, body, metadata, id, timeout, oneway, role, .. } = &*self.0;
        f.debug_struct("Request")
            .field("name", name)
            .field("body", body)
            .field("metadata", metadata)
            .field("id", id)
            .field("timeout", timeout)
            .field("oneway", oneway)
            .field("role", role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_second_attempt_takes_metadata() {
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        request.set_attempt(1);
        assert_eq!((request.attempt(), request.metadata().is_empty()), (1, true));
        request.set_attempt(2);
        assert_eq!((request.attempt(), request.metadata().len()), (2, 1));
    }

    #[test]
    fn what_a_peer_calls_an_attempt_need_not_be_one() {
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        for attempt in ["0", "-1", "many", ""] {
            request.metadata_mut().insert(ATTEMPT, attempt);
            assert_eq!(request.attempt(), 1, "{attempt}");
        }
    }
}
