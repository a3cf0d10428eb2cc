use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Body, Extensions, Items, Message, Metadata, Name, Schema, Streams, TxId};

/// Role of this process in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// This process makes the call.
    Caller,
    /// This process answers the call.
    Callee,
}

impl Role {
    /// Returns the role of the peer.
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// Encoded call: name of the message, payload, metadata and call options.
///
/// A clone is cheap: it shares its contents until either of the two changes.
#[derive(Clone)]
pub struct Request(
    // A single pointer, which fits in a register: a request is moved through many functions.
    Arc<Contents>,
);

/// Contents of a request. Shared, so that keeping a copy for a retry costs nothing.
#[derive(Clone)]
struct Contents {
    wire: Wire,
    policy: RerunPolicy,
    local: Local,
}

/// Parts that are sent to the peer.
#[derive(Clone)]
struct Wire {
    name: Name,
    body: Body,
    metadata: Metadata,
    id: Option<TxId>,
    timeout: Option<Duration>,
    oneway: bool,
    streams: Streams,
}

/// Retry policy of the caller for a crash of the worker.
#[derive(Clone, Copy, Default)]
struct RerunPolicy {
    retry: u32,
    idempotent: bool,
}

/// Parts that are never sent.
#[derive(Clone)]
struct Local {
    role: Role,
    /// Process id of the peer.
    peer: Option<u32>,
    deadline: Option<Instant>,
    /// Service of the message, unless its name is in the metadata.
    service: Option<&'static Schema>,
    /// `None` for most requests, so that they are smaller to move and to drop.
    extras: Option<Box<Extras>>,
}

/// Parts of a request that most requests do not have.
#[derive(Clone, Default)]
struct Extras {
    /// Service through which a handler calls its caller back. Its type is that of another crate.
    callback: Option<Arc<dyn Any + Send + Sync>>,
    /// `true` if an earlier call waits for this one.
    is_nested: bool,
    /// Timeout that was set for the call, if `timeout` is what is left of it.
    whole_timeout: Option<Duration>,
    /// Items of the caller. Shared by all clones: one of them takes the items.
    items: Option<Arc<Mutex<Option<Items>>>>,
    /// `true` if `timeout` is what an earlier call has left, and none was set for this one.
    inherits_timeout: bool,
    extensions: Extensions,
}

/// Metadata key for the attempt number.
const ATTEMPT: &str = "iw-attempt";

/// Metadata key for the name of the service. Sent only to a peer that serves several, and not for
/// its default.
const SERVICE: &str = "iw-service";

impl Request {
    /// Creates a caller's request for the message `M`. `body` is the message, encoded with the
    /// codec of the connection.
    #[inline]
    pub fn of<M: Message>(body: Body) -> Self {
        let policy = RerunPolicy { retry: M::RETRY, idempotent: M::IDEMPOTENT };
        Self::of_message(M::NAME, body, M::TIMEOUT, M::ONEWAY, policy, M::SERVICE)
    }

    #[inline]
    fn of_message(
        name: &'static str,
        body: Body,
        timeout: Option<Duration>,
        oneway: bool,
        policy: RerunPolicy,
        service: Option<&'static Schema>,
    ) -> Self {
        let wire = Wire { timeout, oneway, ..Wire::new(Name::from_static(name), body) };
        let local = Local { service, ..Local::new(Role::Caller) };
        Self(Arc::new(Contents { wire, policy, local }))
    }

    /// Creates a caller's request for a message known only by name. The request expects a reply,
    /// uses the default timeout of the worker and is not idempotent.
    #[inline]
    pub fn new(name: Name, body: Body) -> Self {
        Self::with_defaults(Wire::new(name, body), Role::Caller)
    }

    /// Creates a callee's request from a frame of the caller.
    #[inline]
    pub(crate) fn received(
        id: TxId,
        name: Name,
        body: Body,
        metadata: Metadata,
        oneway: bool,
        timeout: Option<Duration>,
    ) -> Self {
        let wire = Wire { metadata, id: Some(id), timeout, oneway, ..Wire::new(name, body) };
        Self::with_defaults(wire, Role::Callee)
    }

    #[inline]
    fn with_defaults(wire: Wire, role: Role) -> Self {
        Self(Arc::new(Contents { wire, policy: RerunPolicy::default(), local: Local::new(role) }))
    }

    /// Converts a request that was decoded from its own encoding back to a caller's request with
    /// this `id`, so that it can be sent again. Parts that are never sent are lost, such as its
    /// [`extensions`](Self::extensions).
    pub fn sent_back(mut self, id: TxId) -> Self {
        let contents = Arc::make_mut(&mut self.0);
        contents.wire.id = Some(id);
        (contents.local.role, contents.local.deadline) = (Role::Caller, None);
        self
    }

    #[inline]
    fn wire_mut(&mut self) -> &mut Wire {
        &mut Arc::make_mut(&mut self.0).wire
    }

    #[inline]
    fn local_mut(&mut self) -> &mut Local {
        &mut Arc::make_mut(&mut self.0).local
    }

    /// Name of the message.
    #[inline]
    pub fn name(&self) -> &str {
        self.0.wire.name.as_str()
    }

    /// Owned name of the message. Does not allocate if the name is static or at most 24 bytes long.
    #[inline]
    pub fn to_name(&self) -> Name {
        self.0.wire.name.clone()
    }

    /// Encoded payload.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.0.wire.body
    }

    /// Encoded payload, mutable.
    #[inline]
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.wire_mut().body
    }

    /// Replaces the encoded payload.
    #[inline]
    pub fn set_body(&mut self, body: Body) {
        self.wire_mut().body = body;
    }

    /// Size of the name, the payload, the metadata and an id of more than 36 bytes, in bytes. An
    /// [`Admission`](crate::protocol::Admission) counts it.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes_without_id() + self.id().map_or(0, TxId::counted_bytes)
    }

    /// Size of the request if it is sent with this id, as [`bytes`](Self::bytes).
    #[inline]
    pub(crate) fn bytes_with(&self, id: &TxId) -> usize {
        self.bytes_without_id() + id.counted_bytes()
    }

    #[inline]
    fn bytes_without_id(&self) -> usize {
        let Wire { name, body, metadata, .. } = &self.0.wire;
        name.as_str().len() + body.len() + metadata.bytes()
    }

    /// Keys and values sent with the request.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.0.wire.metadata
    }

    /// Keys and values sent with the request, mutable.
    #[inline]
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.wire_mut().metadata
    }

    /// Values attached to the request in this process. They are not sent to the peer.
    #[inline]
    pub fn extensions(&self) -> &Extensions {
        const NONE: &Extensions = &Extensions::new();
        self.0.local.extras.as_ref().map_or(NONE, |extras| &extras.extensions)
    }

    /// Values attached to the request in this process, mutable.
    #[inline]
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.local_mut().extras.get_or_insert_default().extensions
    }

    /// Takes the [`extensions`](Self::extensions), or copies those that a clone shares. Their
    /// destructors are user code, which must not run while a mutex is locked.
    #[doc(hidden)]
    pub fn take_extensions(&mut self) -> Option<Extensions> {
        self.0.local.extras.as_ref()?;
        Some(match Arc::get_mut(&mut self.0) {
            Some(contents) => std::mem::take(&mut contents.local.extras.as_mut()?.extensions),
            None => self.extensions().clone(),
        })
    }

    /// Id of the transaction. On the caller's side, `None` until the connection assigns an id or
    /// [`set_id`](Self::set_id) sets it.
    #[inline]
    pub fn id(&self) -> Option<&TxId> {
        self.0.wire.id.as_ref()
    }

    /// Sets the id. The connection then does not generate one.
    #[inline]
    pub fn set_id(&mut self, id: TxId) {
        self.wire_mut().id = Some(id);
    }

    /// Timeout of the call. On the caller's side, `None` means the default of the worker and zero
    /// means no limit. On the callee's side, it is the timeout that the caller sent, or `None` if
    /// it sent none.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.wire.timeout
    }

    /// Sets the timeout of the call. `None` means the default of the worker. Zero means no limit.
    #[inline]
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        let Contents { wire, local, .. } = Arc::make_mut(&mut self.0);
        if let Some(extras) = &mut local.extras {
            if wire.timeout != timeout {
                extras.whole_timeout = None;
            }
            extras.inherits_timeout = false;
        }
        wire.timeout = timeout;
    }

    /// Sets the timeout of a call for which none was set to what an earlier call has left, which
    /// waits for it. The default of the worker still applies if it is shorter.
    #[doc(hidden)]
    pub fn inherit_timeout(&mut self, rest: Duration) {
        self.set_timeout(Some(rest));
        self.local_mut().extras.get_or_insert_default().inherits_timeout = true;
    }

    /// Timeout of the call, for a worker with this `default`. Zero means no limit.
    #[doc(hidden)]
    #[inline]
    pub fn timeout_or(&self, default: Duration) -> Duration {
        match self.0.wire.timeout {
            None => default,
            Some(timeout) => self.timeout_within(timeout, default),
        }
    }

    fn timeout_within(&self, timeout: Duration, default: Duration) -> Duration {
        let inherits = self.0.local.extras.as_ref().is_some_and(|extras| extras.inherits_timeout);
        if inherits && !default.is_zero() { timeout.min(default) } else { timeout }
    }

    /// Sets the timeout of a call that has waited to the `rest` of its `whole` timeout, which
    /// errors name.
    #[doc(hidden)]
    pub fn set_rest_of_timeout(&mut self, rest: Duration, whole: Duration) {
        self.set_timeout(Some(rest));
        self.local_mut().extras.get_or_insert_default().whole_timeout = Some(whole);
    }

    /// Timeout that was set for the call, if [`timeout`](Self::timeout) is the rest of it.
    #[doc(hidden)]
    pub fn whole_timeout(&self) -> Option<Duration> {
        self.0.local.extras.as_ref()?.whole_timeout
    }

    /// Deadline of the call on the clock of this process, if known.
    ///
    /// On the callee's side, it is set when a request with a [`timeout`](Self::timeout) arrives. On
    /// the caller's side, a middleware may set it. The deadline is informational: it ends no call
    /// and is not sent to the peer.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.local.deadline
    }

    /// Sets the deadline.
    #[inline]
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.local_mut().deadline = deadline;
    }

    /// Number of this attempt, starting at 1. It is sent as metadata from the second attempt on.
    pub fn attempt(&self) -> u32 {
        self.metadata().get(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1).max(1)
    }

    /// Sets the number of this attempt. Increment it each time you send a request again.
    pub fn set_attempt(&mut self, attempt: u32) {
        if attempt > 1 {
            self.metadata_mut().insert(ATTEMPT, attempt.to_string());
        } else {
            self.metadata_mut().remove(ATTEMPT);
        }
    }

    /// Name of the service that the request is for: that of [`set_service`](Self::set_service), or
    /// of the message ([`Message::SERVICE`]). `None` is the default service of the callee. A callee
    /// that has received the request over a connection knows its own, and gets the name of that
    /// instead.
    #[inline]
    pub fn service(&self) -> Option<&str> {
        self.named_service().or_else(|| self.0.local.service.map(Schema::service))
    }

    /// Sends the request to the service `name`, whatever its message. For requests of messages that
    /// are known only by name, and for peers that have not announced their services, because there
    /// is no handshake.
    pub fn set_service(&mut self, name: impl Into<String>) {
        self.local_mut().service = None;
        self.metadata_mut().insert(SERVICE, name);
    }

    /// Returns `true` if this is a message `M`: the names are equal, and the services are, as far
    /// as they are known.
    #[inline]
    pub fn is<M: Message>(&self) -> bool {
        self.name() == M::NAME
            && match (M::SERVICE, self.service()) {
                (Some(schema), Some(service)) => schema.service() == service,
                _ => true,
            }
    }

    /// Name of the service in the metadata.
    #[doc(hidden)]
    #[inline]
    pub fn named_service(&self) -> Option<&str> {
        if self.metadata().is_empty() { None } else { self.metadata().get(SERVICE) }
    }

    /// Identity of the service of the message on the caller's side ([`Message::SERVICE`]), and of the
    /// default service on the callee's side. `None` if it is not known, as for a message known only
    /// by name.
    #[inline]
    pub fn local_service(&self) -> Option<&'static Schema> {
        self.0.local.service
    }

    /// Removes the name of the service from the metadata: it is the default of the peer.
    #[doc(hidden)]
    pub fn unname_service(&mut self) {
        self.metadata_mut().remove(SERVICE);
    }

    /// Writes the name of the service of the message to the metadata, for a peer that serves
    /// several.
    #[doc(hidden)]
    pub fn name_service(&mut self) {
        if let (None, Some(schema)) = (self.named_service(), self.0.local.service) {
            self.metadata_mut().insert(SERVICE, schema.service());
        }
    }

    /// Process id of the caller, which it sent in the handshake. Set on the callee's side only.
    #[inline]
    pub fn peer(&self) -> Option<u32> {
        self.0.local.peer
    }

    /// Sets the process id of the caller.
    #[inline]
    pub fn set_peer(&mut self, peer: Option<u32>) {
        self.local_mut().peer = peer;
    }

    /// Sets the process id of the caller, and the default service of the callee.
    #[doc(hidden)]
    #[inline]
    pub fn set_callee(&mut self, peer: Option<u32>, service: &'static Schema) {
        let local = self.local_mut();
        (local.peer, local.service) = (peer, Some(service));
    }

    /// Service through which a handler calls its caller back. Set on the callee's side only, if the
    /// caller serves. Used by the middleware crate, which knows its type.
    #[doc(hidden)]
    pub fn take_callback(&mut self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.0.local.extras.is_some().then(|| self.local_mut().extras.as_mut()?.callback.take())?
    }

    /// Sets the service through which a handler calls its caller back.
    #[doc(hidden)]
    pub fn set_callback(&mut self, callback: Arc<dyn Any + Send + Sync>) {
        self.local_mut().extras.get_or_insert_default().callback = Some(callback);
    }

    /// Returns `true` if an earlier call waits for this one, because its handler's callback has led
    /// to it. Such a call never waits until the peer takes it.
    #[doc(hidden)]
    pub fn is_nested(&self) -> bool {
        self.0.local.extras.as_ref().is_some_and(|extras| extras.is_nested)
    }

    /// Marks a call for which an earlier call waits.
    #[doc(hidden)]
    pub fn set_nested(&mut self) {
        self.local_mut().extras.get_or_insert_default().is_nested = true;
    }

    /// Streams of items that belong to the call.
    #[inline]
    pub fn streams(&self) -> Streams {
        self.0.wire.streams
    }

    /// Sets whether the callee answers with items.
    pub fn set_takes_items(&mut self, takes_items: bool) {
        self.wire_mut().streams.from_callee = takes_items;
    }

    /// Sets the items of the caller. On the callee's side, they are the items that arrive.
    pub fn set_items(&mut self, items: Items) {
        self.wire_mut().streams.from_caller = true;
        self.local_mut().extras.get_or_insert_default().items = Some(Arc::new(Mutex::new(Some(items))));
    }

    /// Takes the items of the caller. `None` if there are none, or if this request or a clone of it
    /// has been asked before.
    pub fn take_items(&self) -> Option<Items> {
        let items = self.0.local.extras.as_ref()?.items.as_ref()?;
        items.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives back the items that were taken from this request, which was not sent.
    #[doc(hidden)]
    pub fn give_back_items(&self, items: Items) {
        let slot = self.0.local.extras.as_ref().and_then(|extras| extras.items.as_ref());
        if let Some(slot) = slot {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(items);
        }
    }

    /// Returns `true` if the request can be sent again. `false` if its items were taken, or if it
    /// has descriptors, which are moved when it is sent.
    pub fn is_repeatable(&self) -> bool {
        if self.body().attachments().is_some() {
            return false;
        }
        let Some(items) = self.0.local.extras.as_ref().and_then(|extras| extras.items.as_ref()) else {
            return !self.streams().from_caller;
        };
        items.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sets the streams of the call. The items follow with
    /// [`Connection::send_item`](crate::protocol::Connection::send_item).
    pub(crate) fn set_streams(&mut self, streams: Streams) {
        self.wire_mut().streams = streams;
    }

    /// Maximum number of retries after a crash ([`Message::RETRY`]). 0 uses the number set on the
    /// worker's builder. Always 0 on the callee's side.
    #[inline]
    pub fn retry(&self) -> u32 {
        self.0.policy.retry
    }

    /// Sets the maximum number of retries after a crash.
    #[inline]
    pub fn set_retry(&mut self, times: u32) {
        Arc::make_mut(&mut self.0).policy.retry = times;
    }

    /// Returns `true` if the message may run twice without harm ([`Message::IDEMPOTENT`]). Always
    /// `false` on the callee's side.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        self.0.policy.idempotent
    }

    /// Sets whether the message may run twice without harm. For a request that is known only by name,
    /// such as one that a process forwards.
    pub fn set_idempotent(&mut self, idempotent: bool) {
        Arc::make_mut(&mut self.0).policy.idempotent = idempotent;
    }

    /// Returns `true` if the message has no reply.
    #[inline]
    pub fn is_oneway(&self) -> bool {
        self.0.wire.oneway
    }

    /// Converts a caller's request to a callee's. Does nothing if a framing has already created the
    /// callee's request. Only a request that was not encoded is still a caller's.
    #[inline]
    pub(crate) fn arrive(&mut self, id: &TxId) {
        if self.role() == Role::Caller {
            let (name, body, metadata) = (self.to_name(), self.body().clone(), self.metadata().clone());
            let timeout = self.timeout().filter(|timeout| !timeout.is_zero());
            let (oneway, streams) = (self.is_oneway(), self.streams());
            *self = Self::received(id.clone(), name, body, metadata, oneway, timeout);
            if !streams.is_none() {
                self.wire_mut().streams = streams;
            }
        }
    }

    /// Makes the message oneway.
    pub(crate) fn set_oneway(&mut self) {
        if !self.is_oneway() {
            self.wire_mut().oneway = true;
        }
    }

    /// Role of this process in the call.
    #[inline]
    pub fn role(&self) -> Role {
        self.0.local.role
    }

    /// Splits the request into name, body and metadata. Does not copy the payload.
    #[inline]
    pub fn into_parts(self) -> (Name, Body, Metadata) {
        match Arc::try_unwrap(self.0) {
            Ok(Contents { wire: Wire { name, body, metadata, .. }, .. }) => (name, body, metadata),
            Err(shared) => (shared.wire.name.clone(), shared.wire.body.clone(), shared.wire.metadata.clone()),
        }
    }
}

impl Wire {
    #[inline]
    fn new(name: Name, body: Body) -> Self {
        Self {
            name,
            body,
            metadata: Metadata::new(),
            id: None,
            timeout: None,
            oneway: false,
            streams: Streams::NONE,
        }
    }
}

impl Local {
    #[inline]
    fn new(role: Role) -> Self {
        Self { role, peer: None, deadline: None, service: None, extras: None }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wire { name, body, metadata, id, timeout, oneway, streams } = &self.0.wire;
        f.debug_struct("Request")
            .field("name", name)
            .field("body", body)
            .field("metadata", metadata)
            .field("id", id)
            .field("timeout", timeout)
            .field("oneway", oneway)
            .field("streams", streams)
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_takes_no_metadata() {
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        request.set_attempt(1);
        assert_eq!((request.attempt(), request.metadata().is_empty()), (1, true));
        request.set_attempt(2);
        assert_eq!((request.attempt(), request.metadata().len()), (2, 1));
    }

    /// Message of the service Calculator.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Add;

    static CALCULATOR: Schema = Schema::new("Calculator", 1);

    impl Message for Add {
        const NAME: &'static str = "add";
        type Reply = ();
        type Error = crate::Never;
        const SERVICE: Option<&'static Schema> = Some(&CALCULATOR);
    }

    #[test]
    fn the_service_of_a_message_takes_no_metadata_until_it_is_named() {
        let mut request = Request::of::<Add>(Body::empty());
        assert_eq!((request.service(), request.metadata().is_empty()), (Some("Calculator"), true));
        request.name_service();
        assert_eq!((request.service(), request.metadata().len()), (Some("Calculator"), 1));
        request.unname_service();
        assert_eq!((request.service(), request.metadata().is_empty()), (Some("Calculator"), true));
        request.set_service("Journal");
        assert_eq!((request.service(), request.is::<Add>()), (Some("Journal"), false));
    }

    #[test]
    fn a_request_without_a_service_is_any_message_of_its_name() {
        let request = Request::new(Name::from_static("add"), Body::empty());
        assert!(request.is::<Add>() && request.service().is_none());
    }

    #[test]
    fn another_timeout_replaces_the_rest_of_one() {
        let (rest, whole) = (Duration::from_secs(1), Duration::from_secs(3));
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        assert_eq!(request.whole_timeout(), None);
        request.set_rest_of_timeout(rest, whole);
        // A layer with a longer limit sets the timeout that the request has.
        request.set_timeout(Some(rest));
        assert_eq!((request.timeout(), request.whole_timeout()), (Some(rest), Some(whole)));
        request.set_timeout(Some(rest / 2));
        assert_eq!((request.timeout(), request.whole_timeout()), (Some(rest / 2), None));
    }

    #[test]
    fn an_invalid_attempt_number_from_a_peer_counts_as_the_first() {
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        for attempt in ["0", "-1", "many", ""] {
            request.metadata_mut().insert(ATTEMPT, attempt);
            assert_eq!(request.attempt(), 1, "{attempt}");
        }
    }
}
