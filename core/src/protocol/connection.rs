use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::admission::Usage;
use super::bounds::MAX_UNREAD_ANSWER_BYTES;
use super::errors::{
    cancelled, closed, duplicate_id, nameless, no_streams, oneway_items, reused_id, shortened, timed_out,
    timed_out_at_caller, too_many_oneways, too_many_requests, unexpected_item, unexpected_oneway_streams,
    unexpected_streams, unread_answers, unsent, would_deadlock,
};
use super::given_up::GivenUpCalls;
use super::id_table::IdTable;
use super::outbox::Outbox;
use super::streams::{Breach, ClosedStreams, Receiving, Sending, StreamTable};
use super::timer_batches::{CallTimer, Expiry, TimerBatches};
use super::{Admission, Event, StreamEnd};
use crate::{
    Body, Error, ErrorKind, Executed, Frame, GoAway, Name, RemoteError, Request, Response, Role, TxId,
};

/// State machine of one side of a connection.
///
/// `T` is the token of a call, for example an index, a waker or a channel. The owner passes it to
/// [`call`](Self::call) and gets it back when the call ends.
///
/// The methods come in four groups:
/// - Commands of the owner: [`call`](Self::call), [`send`](Self::send), [`cancel`](Self::cancel),
///   [`answer`](Self::answer), [`finish_oneways`](Self::finish_oneways), [`ping`](Self::ping),
///   [`send_go_away`](Self::send_go_away), [`fail`](Self::fail),
///   [`start_timeouts`](Self::start_timeouts). For streams: [`send_item`](Self::send_item),
///   [`end_items`](Self::end_items), [`take_items`](Self::take_items),
///   [`finish_items`](Self::finish_items).
/// - Inputs, `handle_*`: a frame from the peer, the current time, a frame that could not be
///   encoded.
/// - Outputs, `poll_*`: frames to send, streams with something new, and the next time to call
///   [`handle_timeout`](Self::handle_timeout).
/// - Getters.
///
/// ```
/// use isolated_workers_core::protocol::{Connection, Event};
/// use isolated_workers_core::{Body, Name, Request, Response};
///
/// let (mut host, mut worker) = (Connection::<&str>::new(), Connection::<&str>::new());
///
/// let ping = Request::new(Name::from_static("ping"), Body::empty());
/// host.call(1.into(), ping, None, "my call")?;
///
/// let Some(Event::Requested(request)) = worker.handle_frame(host.poll_transmit().unwrap())? else { panic!() };
/// worker.answer(request.id().unwrap(), Ok(Response::default()));
///
/// let Some(Event::Answered { token, result }) = host.handle_frame(worker.poll_transmit().unwrap())? else { panic!() };
/// assert_eq!(token, "my call");
/// assert!(result.is_ok());
/// # Ok::<(), isolated_workers_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection<T> {
    calls: IdTable<Call<T>>,
    /// The calls in `calls` without a token.
    given_up: GivenUpCalls,
    /// The peer's unanswered requests.
    serving: IdTable<Served>,
    /// Streams of the calls in both tables.
    streams: StreamTable,
    /// Number of cancelled requests in `serving`.
    cancelled: usize,
    /// Requests of this side, and what the peer takes.
    outgoing: Usage,
    /// Requests of the peer, and what this side takes.
    incoming: Usage,
    /// `true` if the peer waits before it exceeds what this side takes.
    is_announced: bool,
    outbox: Outbox,
    timers: TimerBatches,
    /// Lower bound of all deadlines. It may be too early, because the end of a call does not update
    /// it. [`handle_timeout`](Self::handle_timeout) recomputes it once it has passed.
    earliest_deadline: Option<Instant>,
    /// `true` if a timeout sends a cancel.
    cancel_on_timeout: bool,
    /// `true` if calls of this side go on after a go-away.
    calls_after_go_away: bool,
    /// The last go-away of this side.
    sent_go_away: Option<GoAway>,
    received_go_away: bool,
    failed: bool,
}

#[derive(Debug)]
struct Call<T> {
    /// `None` if the owner gave up the call and only the peer's answer is outstanding.
    token: Option<T>,
    name: Name,
    /// Size of the request.
    bytes: usize,
    timer: Option<CallTimer>,
    /// Number of the request in the outbox.
    frame: u64,
}

/// Unanswered request of the peer.
#[derive(Debug, Default)]
struct Served {
    name: Name,
    /// Size of the request.
    bytes: usize,
    is_cancelled: bool,
}

/// Commands of the owner.
impl<T> Connection<T> {
    /// Creates a connection without calls, to a peer that announces no [`Admission`].
    pub fn new() -> Self {
        let (outgoing, incoming) = (Usage::new(Admission::UNANNOUNCED), Usage::new(Admission::UNANNOUNCED));
        Self {
            streams: StreamTable::new(Admission::UNANNOUNCED, Admission::UNANNOUNCED),
            calls: IdTable::new(),
            given_up: GivenUpCalls::default(),
            serving: IdTable::new(),
            cancelled: 0,
            outgoing,
            incoming,
            is_announced: false,
            outbox: Outbox::default(),
            timers: TimerBatches::default(),
            earliest_deadline: None,
            cancel_on_timeout: true,
            calls_after_go_away: false,
            sent_go_away: None,
            received_go_away: false,
            failed: false,
        }
    }

    /// Creates a connection without calls. Both sides have announced what they take.
    pub fn with_admission(own: Admission, peer: Admission) -> Self {
        let (outgoing, incoming) = (Usage::new(peer), Usage::new(own));
        let streams = StreamTable::new(own, peer);
        Self { outgoing, incoming, streams, is_announced: true, ..Self::new() }
    }

    /// Starts a call. Its items follow with [`send_item`](Self::send_item). If
    /// [`has_max_calls`](Self::has_max_calls) returns `true`, its request is held until the peer
    /// takes it. Oneway messages may overtake it. The call ends with an [`Event::Answered`] that
    /// returns `token`, unless [`cancel`](Self::cancel) returns it earlier. The `timeout` runs from
    /// the next [`start_timeouts`](Self::start_timeouts). `None` means no limit.
    ///
    /// # Errors
    /// `DuplicateId` if the id is in use. `Closed` after a go-away from either side, or after
    /// [`fail`](Self::fail). `Invalid` if the name of the message is empty. `WouldDeadlock` if the
    /// request would be held although an earlier call waits for it. `Unsupported` if the call has
    /// streams and a side takes no items. The token is dropped.
    pub fn call(
        &mut self,
        id: TxId,
        request: Request,
        timeout: Option<Duration>,
        token: T,
    ) -> Result<(), Error> {
        self.check_call(request.name())?;
        let is_held = self.has_max_calls();
        if is_held && request.is_nested() {
            return Err(would_deadlock(request.name()));
        }
        let streams = request.streams();
        if !streams.is_none()
            && let Some(side) = self.streams.refuses(Role::Caller, streams)
        {
            return Err(no_streams(request.name(), side));
        }
        let frame = self.outbox.next_number();
        let timer = timeout.map(|timeout| self.timers.add(timeout));
        let bytes = request.bytes_with(&id);
        let call = Call { token: Some(token), name: request.to_name(), bytes, timer, frame };
        if !self.calls.insert(&id, call) {
            return Err(duplicate_id(request.name(), id));
        }
        if !streams.is_none() {
            self.streams.open(Role::Caller, &id, streams);
        }
        if is_held {
            self.hold(id, request);
        } else {
            self.outgoing.add_request(bytes);
            self.outbox.push(Frame::Request { id, request });
        }
        Ok(())
    }

    #[cold]
    fn hold(&mut self, id: TxId, request: Request) {
        let number = self.outbox.hold(id.clone(), request);
        if let Some(call) = self.calls.get_mut(&id) {
            call.frame = number;
        }
    }

    /// Queues the requests that were held and that the peer takes now.
    #[cold]
    fn queue_held(&mut self) {
        while self.outbox.held() > 0 && !self.outgoing.has_max_requests(self.calls.len() - self.outbox.held())
        {
            let Some((id, request)) = self.outbox.take_held() else { return };
            if let Some(call) = self.calls.get_mut(&id) {
                call.frame = self.outbox.next_number();
                self.outgoing.add_request(call.bytes);
                let streams = request.streams();
                self.outbox.push(Frame::Request { id: id.clone(), request });
                if streams.from_caller {
                    self.start_items(id);
                }
            }
        }
    }

    /// Starts the items of a call that was held, or ends them if there are none.
    fn start_items(&mut self, id: TxId) {
        match self.streams.sending(Role::Caller, &id) {
            Sending::Ended => self.push_items_end(id),
            _ => self.streams.set_ready(Role::Caller, id),
        }
    }

    /// Starts the timeouts of all calls made since the previous `start_timeouts`, so that a batch
    /// of calls needs one clock read.
    ///
    /// Separate from [`call`](Self::call) on purpose: read the clock after the last call of a
    /// batch. If the clock were read at the first call, later calls of the batch would time out too
    /// early.
    pub fn start_timeouts(&mut self, now: Instant) {
        let first = self.timers.start(now);
        self.earliest_deadline = self.earliest_deadline.into_iter().chain(first).min();
        if self.timers.is_full() {
            self.resolve_timers();
        }
    }

    /// Ends a call at `at`, because it has already waited. The error names the whole timeout.
    pub fn expire_at(&mut self, id: &TxId, at: Instant) {
        if let Some(CallTimer { expiry, .. }) = self.calls.get_mut(id).and_then(|call| call.timer.as_mut()) {
            *expiry = Expiry::At(at);
            self.earliest_deadline = self.earliest_deadline.into_iter().chain([at]).min();
        }
    }

    /// Replaces the batch number of each call with the call's deadline.
    fn resolve_timers(&mut self) {
        for timer in self.calls.values_mut().filter_map(|call| call.timer.as_mut()) {
            self.timers.resolve(timer);
        }
        self.timers.drop_started();
    }

    /// Sends a oneway message, which gets no answer. If [`has_max_oneways`](Self::has_max_oneways)
    /// returns `true`, wait until the peer has finished some.
    ///
    /// # Errors
    /// `Closed` after a go-away from either side, or after [`fail`](Self::fail). `Invalid` if the
    /// name of the message is empty, or if it has streams.
    pub fn send(&mut self, id: TxId, mut request: Request) -> Result<(), Error> {
        self.check_call(request.name())?;
        if !request.streams().is_none() {
            return Err(oneway_items(request.name()));
        }
        request.set_oneway();
        self.outgoing.add_oneway(request.bytes_with(&id));
        self.outbox.push(Frame::Request { id, request });
        Ok(())
    }

    /// Records that oneway messages of the peer are finished, or were refused. `cost` is the sum of
    /// their [costs](Admission::oneway_cost). Now and then, the peer gets credit for further ones.
    pub fn finish_oneways(&mut self, cost: usize) {
        if self.is_announced
            && !self.failed
            && let Some(bytes) = self.incoming.finish_oneways(cost)
        {
            self.outbox.push(Frame::Credit { bytes });
        }
    }

    /// Sends an item of a call, in which this side has `role`. Call it only while
    /// [`sending`](Self::sending) returns [`Sending::Ready`]; otherwise it has no effect.
    pub fn send_item(&mut self, role: Role, id: &TxId, item: Body) {
        let (number, popped) = (self.outbox.next_number(), self.outbox.popped());
        let is_held = role == Role::Caller && self.is_call_held(id);
        if !is_held && self.streams.send(role, id, &item, (number, popped)) {
            self.outbox.push(Frame::Item { id: id.clone(), from: role, body: item.into() });
        }
    }

    /// Ends the items of a call of this side. The items of a callee end with its answer.
    pub fn end_items(&mut self, id: &TxId) {
        if self.streams.end(id) && !self.is_call_held(id) {
            self.push_items_end(id.clone());
        }
    }

    fn push_items_end(&mut self, id: TxId) {
        self.streams.queue(&id, self.outbox.next_number(), self.outbox.popped());
        self.outbox.push(Frame::ItemsEnd { id });
    }

    /// Moves the items that have arrived for a call, in which this side has `role`, to the end of
    /// `into`. Report them with [`finish_items`](Self::finish_items) as soon as the memory for them
    /// is free.
    pub fn take_items(&mut self, role: Role, id: &TxId, into: &mut VecDeque<Body>) -> Receiving {
        self.streams.take(role, id, into)
    }

    /// Records that items of a call are finished. `cost` is the sum of their
    /// [costs](Admission::item_cost). Now and then, the peer gets credit for further ones.
    pub fn finish_items(&mut self, role: Role, id: &TxId, cost: usize) {
        if let Some(bytes) = self.streams.finish(role, id, cost) {
            self.outbox.push(Frame::ItemCredit { id: id.clone(), from: role, bytes });
        }
    }

    /// Cancels a call and returns its token. Returns `None` if no such call is in flight.
    pub fn cancel(&mut self, id: &TxId, now: Instant) -> Option<T> {
        self.give_up(id, Some(now))
    }

    /// Gives up a call. If its request was sent, the peer gets a cancel, or goes on with it if
    /// there is no time of the cancel.
    fn give_up(&mut self, id: &TxId, cancelled_at: Option<Instant>) -> Option<T> {
        let call = self.calls.get_mut(id)?;
        let token = call.token.take()?;
        if self.outbox.retract(call.frame) {
            self.remove_call(id);
        } else {
            self.given_up.add(call.frame, cancelled_at);
            if cancelled_at.is_some() {
                self.outbox.push(Frame::Cancel { id: id.clone() });
            }
        }
        self.end_streams(id);
        Some(token)
    }

    /// Ends the streams of a call that has ended here. Its queued items are not sent, nor their
    /// end: without the items, those before would look like all of them. Returns the items that the
    /// owner has not taken.
    fn end_streams(&mut self, id: &TxId) -> Option<VecDeque<Body>> {
        let ClosedStreams { items, queued, .. } = self.close_streams(Role::Caller, id)?;
        for number in queued {
            self.outbox.retract(number);
        }
        Some(items)
    }

    /// Removes the streams of a call.
    #[inline]
    fn close_streams(&mut self, role: Role, id: &TxId) -> Option<ClosedStreams> {
        if self.streams.is_empty(role) { None } else { self.streams.close(role, id) }
    }

    fn remove_call(&mut self, id: &TxId) -> Option<Call<T>> {
        let call = self.calls.remove(id)?;
        if !Outbox::is_held(call.frame) {
            self.outgoing.remove_request(call.bytes);
        }
        Some(call)
    }

    /// Sets whether a timeout cancels the request at the peer. Default: `true`. If `false`, the
    /// peer keeps working and its answer is ignored.
    pub fn set_cancel_on_timeout(&mut self, cancel: bool) {
        self.cancel_on_timeout = cancel;
    }

    /// Sets whether calls and oneway messages of this side are allowed after a go-away, until
    /// [`fail`](Self::fail). Default: `false`. `true` is for a worker: its handlers finish after a
    /// go-away, and may call their host meanwhile.
    pub fn set_calls_after_go_away(&mut self, allowed: bool) {
        self.calls_after_go_away = allowed;
    }

    /// Sends a keep-alive probe. The peer answers as soon as it reads the probe.
    pub fn ping(&mut self) {
        self.outbox.push(Frame::Ping);
    }

    /// Answers a request of the peer. Does nothing if the request was already answered.
    ///
    /// A cancelled request is answered, too, when its handler has ended. Its result does not
    /// matter: an error of the kind `Cancelled` replaces it.
    pub fn answer(&mut self, id: &TxId, mut result: Result<Response, Box<RemoteError>>) {
        let Some(Served { name, bytes, is_cancelled }) = self.serving.remove_with(id, std::mem::take) else {
            return;
        };
        self.incoming.remove_request(bytes);
        if let Some(failure) = self.close_streams(Role::Callee, id).and_then(|closed| closed.failure) {
            result = Err(failure);
        }
        if is_cancelled {
            self.cancelled -= 1;
            result = Err(Box::new(cancelled(name.as_str()).to_remote()));
        }
        let id = id.clone();
        self.outbox.push(match result {
            Ok(response) => Frame::Reply { id, name, response },
            Err(error) => Frame::Error { id, name, error },
        });
    }

    /// Announces that this side starts no more calls. A repetition has no effect. Another go-away
    /// replaces the first.
    pub fn send_go_away(&mut self, go_away: GoAway) {
        if self.sent_go_away.replace(go_away) != Some(go_away) {
            self.outbox.push(Frame::GoAway(go_away));
        }
    }

    /// Ends every call in flight because the connection is lost. Returns their events, the oldest
    /// call first. `error` creates the error of a call from the name of its message. Discards all
    /// frames that were not sent.
    pub fn fail(&mut self, mut error: impl FnMut(&str) -> Error) -> Vec<Event<T>> {
        self.failed = true;
        self.serving.clear();
        (self.given_up, self.cancelled) = (GivenUpCalls::default(), 0);
        self.outgoing.clear();
        self.incoming.clear();
        self.timers = TimerBatches::default();
        self.earliest_deadline = None;
        let calls = std::mem::replace(&mut self.calls, IdTable::new());
        let mut calls: Vec<_> = calls.into_entries().collect();
        calls.sort_unstable_by_key(|(_, call)| call.frame);
        let events = calls
            .into_iter()
            .filter_map(|(id, call)| {
                let executed = self.outbox.executed_if_closed(call.frame);
                let error = error(call.name.as_str()).with_executed(executed);
                let items = self.close_streams(Role::Caller, &id).map(|closed| closed.items);
                Some(ended(call.token?, Err(error), items))
            })
            .collect();
        self.streams.clear();
        self.outbox = Outbox::default();
        events
    }
}

/// Inputs.
impl<T> Connection<T> {
    /// Processes a frame from the peer.
    ///
    /// # Errors
    /// `Protocol` if the peer broke the protocol or exceeded a bound. Close the connection and call
    /// [`fail`](Self::fail). An answer to an unknown call is ignored.
    pub fn handle_frame(&mut self, frame: Frame) -> Result<Option<Event<T>>, Error> {
        Ok(match frame {
            Frame::Request { id, mut request } => {
                request.arrive(&id);
                self.check_bounds(&request)?;
                let bytes = request.bytes();
                if request.is_oneway() {
                    self.incoming.add_oneway(bytes);
                } else if self.serving.insert(&id, Served::new(request.to_name(), bytes)) {
                    self.incoming.add_request(bytes);
                } else {
                    return Err(reused_id(request.name(), id));
                }
                if !request.streams().is_none() {
                    self.open_streams(&request)?;
                }
                Some(Event::Requested(request))
            }
            Frame::Reply { id, response, .. } => self.finish(&id, |_| Ok(response)),
            Frame::Error { id, error, .. } => {
                self.finish(&id, |name| Err(Error::remote(name.as_str(), *error)))
            }
            Frame::Cancel { id } => {
                let served = self.serving.get_mut(&id);
                let is_known = served.map(|served| {
                    self.cancelled += usize::from(!std::mem::replace(&mut served.is_cancelled, true));
                });
                self.close_streams(Role::Callee, &id);
                is_known.map(|()| Event::Cancelled(id))
            }
            Frame::Item { id, from: Role::Callee, body } => {
                if !self.is_call_held(&id) {
                    self.receive_item(Role::Caller, &id, *body)?;
                }
                None
            }
            Frame::Item { id, from: Role::Caller, body } => {
                self.receive_item(Role::Callee, &id, *body)?;
                None
            }
            Frame::ItemsEnd { id } => {
                let received = self.streams.receive_end(&id);
                self.check_received(Role::Callee, &id, received)?;
                None
            }
            Frame::ItemCredit { id, from, bytes } => {
                self.streams.receive_credit(from.other(), &id, bytes);
                None
            }
            Frame::Ping => {
                self.outbox.push_pong();
                None
            }
            Frame::Pong => None,
            Frame::Credit { bytes } => {
                self.outgoing.receive_credit(bytes);
                None
            }
            Frame::GoAway(go_away) => {
                self.received_go_away = true;
                Some(Event::GoAway(go_away))
            }
            Frame::Unmarked { answer, request } => {
                let is_answer = answer.id().is_some_and(|id| self.calls.contains(id));
                return self.handle_frame(if is_answer { *answer } else { *request });
            }
        })
    }

    fn finish(
        &mut self,
        id: &TxId,
        result: impl FnOnce(&Name) -> Result<Response, Error>,
    ) -> Option<Event<T>> {
        if self.is_call_held(id) {
            // The peer cannot answer what was not sent.
            return None;
        }
        let (given_up, outgoing) = (&mut self.given_up, &mut self.outgoing);
        let event = self.calls.remove_with(id, |call| {
            outgoing.remove_request(call.bytes);
            match call.token.take() {
                Some(token) => Some(Event::Answered { token, result: result(&call.name) }),
                None => {
                    given_up.remove(call.frame);
                    None
                }
            }
        })?;
        if self.streams.is_empty(Role::Caller) { event } else { self.finish_streams(id, event) }
    }

    /// Ends the streams of a call that was answered, if it has some.
    #[cold]
    fn finish_streams(&mut self, id: &TxId, event: Option<Event<T>>) -> Option<Event<T>> {
        let items = self.end_streams(id);
        match event? {
            Event::Answered { token, result } => Some(ended(token, result, items)),
            event => Some(event),
        }
    }

    /// Returns `true` if the request of a call of this side was not sent, because the peer does not
    /// take it yet.
    #[inline]
    fn is_call_held(&self, id: &TxId) -> bool {
        self.outbox.held() > 0 && self.calls.get(id).is_some_and(|call| Outbox::is_held(call.frame))
    }

    #[cold]
    fn open_streams(&mut self, request: &Request) -> Result<(), Error> {
        let id = request.id().expect("a received request has an id");
        if request.is_oneway() {
            return Err(unexpected_oneway_streams(request.name()));
        }
        if let Some(side) = self.streams.refuses(Role::Callee, request.streams()) {
            return Err(unexpected_streams(request.name(), side));
        }
        self.streams.open(Role::Callee, id, request.streams());
        Ok(())
    }

    /// Processes an item for a call, in which this side has `role`. An item for a call that has
    /// ended or that was cancelled is passed over.
    fn receive_item(&mut self, role: Role, id: &TxId, item: Body) -> Result<(), Error> {
        let received = self.streams.receive(role, id, item);
        self.check_received(role, id, received)
    }

    /// Checks an item or the end of items. `None`: the call has no streams, which is a breach if it
    /// is open.
    fn check_received(
        &self,
        role: Role,
        id: &TxId,
        received: Option<Result<(), Breach>>,
    ) -> Result<(), Error> {
        let is_open = match role {
            Role::Caller => self.token(id).is_some(),
            Role::Callee => self.serving.get(id).is_some_and(|served| !served.is_cancelled),
        };
        match received.unwrap_or(if is_open { Err(Breach::NoStream) } else { Ok(()) }) {
            Ok(()) => Ok(()),
            Err(breach) => Err(unexpected_item(id, breach)),
        }
    }

    /// Takes back a frame that could not be encoded because of `error`. If it is a request, its
    /// call ends with `error`. If it is an answer, an error frame replaces it.
    pub fn handle_encode_error(&mut self, frame: Frame, error: Error, now: Instant) -> Option<Event<T>> {
        match frame {
            // A oneway message has no call, but its id may equal the id of a call.
            Frame::Request { id, request } if request.is_oneway() => {
                self.outgoing.remove_oneway(request.bytes_with(&id));
                None
            }
            Frame::Request { id, .. } => {
                let Call { token, frame, .. } = self.remove_call(&id)?;
                if token.is_none() {
                    self.given_up.remove(frame);
                }
                let items = self.end_streams(&id);
                Some(ended(token?, Err(error.with_executed(Executed::No)), items))
            }
            // The call fails. Its peer learns it from a cancel.
            Frame::Item { id, from: Role::Caller, .. } => {
                let items = self.end_streams(&id);
                let token = self.cancel(&id, now)?;
                Some(ended(token, Err(error.with_executed(Executed::Maybe)), items))
            }
            // The stream ends, and its handler answers as soon as it has noticed.
            Frame::Item { id, from: Role::Callee, .. } => {
                let error = Box::new(error.to_remote());
                self.outbox.remove_items_of_callee(&id);
                if !self.outbox.replace_answer(&id, &error) {
                    self.streams.fail(&id, error);
                }
                None
            }
            // The error frame of an encode error is short. If even that frame cannot be encoded,
            // nothing is sent and the caller's timeout applies.
            Frame::Error { ref error, .. } if is_encode_error(error) => None,
            Frame::Reply { id, name, .. } => {
                self.outbox.push(Frame::Error { id, name, error: Box::new(error.to_remote()) });
                None
            }
            Frame::Error { id, name, error: unsent } => {
                let error = Box::new(shortened(&unsent, &error));
                self.outbox.push(Frame::Error { id, name, error });
                None
            }
            _ => None,
        }
    }

    /// Ends the calls whose timeout has elapsed. Returns their events, the oldest call first.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Event<T>> {
        if self.earliest_deadline.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.resolve_timers();
        self.earliest_deadline = None;
        let mut expired = Vec::new();
        for (id, call) in self.calls.iter() {
            if let (Some(CallTimer { timeout, expiry: Expiry::At(at) }), Some(_)) = (call.timer, &call.token)
            {
                if at <= now {
                    expired.push((call.frame, id, call.name.clone(), timeout));
                } else {
                    self.earliest_deadline = self.earliest_deadline.into_iter().chain([at]).min();
                }
            }
        }
        // The iteration order of the table differs between processes.
        expired.sort_unstable_by_key(|&(frame, ..)| frame);
        expired
            .into_iter()
            .filter_map(|(frame, id, name, timeout)| {
                // Encoded frames will be sent.
                let executed = self.outbox.executed_if_flushed(frame);
                let caller_wait = self.streams.caller_wait(&id).filter(|_| executed != Executed::No);
                let items = self.end_streams(&id);
                // The sender of items would wait for credit forever.
                let cancels = self.cancel_on_timeout || items.is_some();
                let token = self.give_up(&id, cancels.then_some(now))?;
                let error = match (executed, caller_wait) {
                    (Executed::No, _) => unsent(&name, timeout, Outbox::is_held(frame)),
                    (_, Some(wait)) => timed_out_at_caller(&name, timeout, wait),
                    (_, None) => timed_out(&name, timeout),
                };
                let mut ended = ended(token, Err(error.with_executed(executed)), items);
                if let Event::StreamEnded { end, .. } = &mut ended {
                    end.waited_for_owner = caller_wait.is_some();
                }
                Some(ended)
            })
            .collect()
    }
}

/// Outputs.
impl<T> Connection<T> {
    /// Returns the next frame to send. The frame counts as sent, because it may reach the peer.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        let frame = self.poll_encode();
        self.mark_transmitted();
        frame
    }

    /// Returns the next frame to encode. The owner sends it only after
    /// [`mark_transmitted`](Self::mark_transmitted), and never after [`fail`](Self::fail).
    #[inline]
    pub fn poll_encode(&mut self) -> Option<Frame> {
        if self.outbox.held() > 0 {
            self.queue_held();
        }
        self.outbox.pop()
    }

    /// Returns the next request that is held, for an owner that takes back what was not sent. Call
    /// [`fail`](Self::fail) afterwards.
    pub fn take_held(&mut self) -> Option<(TxId, Request)> {
        self.outbox.take_held()
    }

    /// Records that all frames from [`poll_encode`](Self::poll_encode) are about to be sent.
    #[inline]
    pub fn mark_transmitted(&mut self) {
        self.outbox.mark_transmitted();
    }

    /// Returns a call with streams that have something new for their owner, and the role of this
    /// side in it: items to take, their end, or that an item may be sent.
    pub fn poll_stream(&mut self) -> Option<(Role, TxId)> {
        self.streams.poll_ready()
    }

    /// Returns `true` if [`poll_stream`](Self::poll_stream) returns a call.
    #[inline]
    pub fn has_ready_streams(&self) -> bool {
        self.streams.has_ready()
    }

    /// Name of the message of a call, in which this side has `role`. `None` if there is no such
    /// call, and no answer to it is queued. Searches the queue.
    #[cold]
    pub fn name(&self, role: Role, id: &TxId) -> Option<Name> {
        match role {
            Role::Caller => self.calls.get(id).map(|call| call.name.clone()),
            Role::Callee => {
                let served = self.serving.get(id).map(|served| served.name.clone());
                served.or_else(|| self.outbox.answer_name(id))
            }
        }
    }

    /// Time at which a call ends with a timeout. `None` if it has none, or none that has
    /// [started](Self::start_timeouts).
    pub fn deadline(&self, id: &TxId) -> Option<Instant> {
        let mut timer = self.calls.get(id)?.timer?;
        self.timers.resolve(&mut timer);
        match timer.expiry {
            Expiry::At(at) => Some(at),
            Expiry::AfterBatch(_) | Expiry::Never => None,
        }
    }

    /// Returns the earliest time to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.earliest_deadline
    }
}

/// Getters.
impl<T> Connection<T> {
    /// Returns `true` if calls wait for [`start_timeouts`](Self::start_timeouts).
    #[inline]
    pub fn has_unstarted_timeouts(&self) -> bool {
        self.timers.has_unstarted()
    }

    /// Approximate size of the send queue in bytes, for backpressure. 0 if and only if the queue is
    /// empty. Requests that are held do not count.
    ///
    /// Counts payloads and queue slots. Slots count because pongs and empty replies to a peer that
    /// does not read take memory too.
    pub fn queued_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Token of the call with this id. `None` if there is no such call or it was given up.
    pub fn token(&self, id: &TxId) -> Option<&T> {
        self.calls.get(id)?.token.as_ref()
    }

    /// State of the items that this side sends for a call, in which it has `role`.
    pub fn sending(&self, role: Role, id: &TxId) -> Sending {
        match self.streams.sending(role, id) {
            Sending::Ready if role == Role::Caller && self.is_call_held(id) => Sending::Waiting,
            sending => sending,
        }
    }

    /// Cost of the items that may be sent before [`sending`](Self::sending) must be asked again.
    /// The last of them may exceed it. 0 unless `sending` returns [`Sending::Ready`].
    pub fn item_room(&self, role: Role, id: &TxId) -> usize {
        if role == Role::Caller && self.is_call_held(id) { 0 } else { self.streams.room(role, id) }
    }

    /// Returns `true` if items of a call of this side have arrived that the owner has not taken.
    pub fn has_items(&self, id: &TxId) -> bool {
        self.streams.has_items(id)
    }

    /// Size of the items that have arrived and that the owner has not taken, in bytes.
    pub fn untaken_bytes(&self) -> usize {
        self.streams.untaken_bytes()
    }

    /// Number of calls of this side that have no answer yet. Includes calls that were given up.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Number of calls of this side that were given up, by a cancel or a timeout, and have no
    /// answer yet. The peer may still run them.
    #[inline]
    pub fn given_up(&self) -> usize {
        self.given_up.len()
    }

    /// Time of the oldest cancel of this side that has no answer yet. The peer answers once the
    /// handler has ended.
    #[inline]
    pub fn oldest_cancel(&self) -> Option<Instant> {
        self.given_up.oldest_cancel()
    }

    /// Number of requests of the peer that have no answer yet. Includes cancelled requests.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    /// Number of cancelled requests of the peer that have no answer yet.
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Returns `true` if this side has sent a go-away.
    pub fn has_sent_go_away(&self) -> bool {
        self.sent_go_away.is_some()
    }

    /// Returns `true` if the peer has sent a go-away.
    pub fn has_received_go_away(&self) -> bool {
        self.received_go_away
    }

    /// Returns `true` if a further call would be held, because the peer takes none until one has
    /// ended.
    #[inline]
    pub fn has_max_calls(&self) -> bool {
        self.outbox.held() > 0 || self.outgoing.has_max_requests(self.in_flight())
    }

    /// Number of calls whose requests are held.
    #[inline]
    pub fn held(&self) -> usize {
        self.outbox.held()
    }

    /// Number of requests and oneway messages that were taken for sending so far.
    pub fn sent_requests(&self) -> u64 {
        self.outbox.popped_requests()
    }

    /// Returns `true` if the peer takes no further oneway message until it has finished some.
    pub fn has_max_oneways(&self) -> bool {
        self.outgoing.has_max_oneways()
    }

    /// Returns `true` if the request with this id was cancelled and is not answered yet.
    pub fn is_cancelled(&self, id: &TxId) -> bool {
        self.serving.get(id).is_some_and(|served| served.is_cancelled)
    }

    /// Returns `true` if both sides have announced what they take.
    #[inline]
    pub fn is_announced(&self) -> bool {
        self.is_announced
    }

    /// Checks what the peer has left waiting before it sent `request`.
    #[inline]
    fn check_bounds(&self, request: &Request) -> Result<(), Error> {
        if request.is_oneway() {
            return match self.incoming.has_max_oneways() {
                true => Err(too_many_oneways(self.incoming.max_oneway_bytes())),
                false => Ok(()),
            };
        }
        // For the peer, a request is unanswered until its answer has arrived. The number of all
        // frames is a cheap upper bound.
        let unanswered = self.serving() + self.outbox.len();
        if self.incoming.has_max_requests(unanswered)
            && self.incoming.has_max_requests(self.serving() + self.outbox.answers())
        {
            return Err(too_many_requests(unanswered, self.incoming.request_bytes()));
        }
        // The whole queue is a cheap upper bound.
        if !self.is_announced
            && self.outbox.bytes() > MAX_UNREAD_ANSWER_BYTES
            && self.outbox.answer_bytes() > MAX_UNREAD_ANSWER_BYTES
        {
            return Err(unread_answers());
        }
        Ok(())
    }

    fn check_call(&self, name: &str) -> Result<(), Error> {
        if name.is_empty() {
            return Err(nameless());
        }
        let has_go_away = self.sent_go_away.is_some() || self.received_go_away;
        if has_go_away && !self.calls_after_go_away || self.failed { Err(closed(name)) } else { Ok(()) }
    }
}

impl Served {
    #[inline]
    fn new(name: Name, bytes: usize) -> Self {
        Self { name, bytes, is_cancelled: false }
    }
}

impl<T> Default for Connection<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates the event of a call that has ended. `items`: items that were not taken, if the call has
/// streams.
#[inline]
fn ended<T>(token: T, result: Result<Response, Error>, items: Option<VecDeque<Body>>) -> Event<T> {
    match items {
        None => Event::Answered { token, result },
        Some(items) => {
            let end = StreamEnd { items, result, waited_for_owner: false };
            Event::StreamEnded { token, end: Box::new(end) }
        }
    }
}

/// Returns `true` if the error reports a frame that could not be encoded. Replacing it with another
/// such error would fail in the same way.
fn is_encode_error(error: &RemoteError) -> bool {
    let kind = error.code.as_deref().and_then(ErrorKind::from_code);
    matches!(kind, Some(ErrorKind::TooLarge | ErrorKind::Encode))
}
