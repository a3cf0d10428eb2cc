use std::time::{Duration, Instant};

use super::Event;
use super::id_table::IdTable;
use super::outbox::Outbox;
use super::refusal::{closed, duplicate_id, given_up, nameless, reused_id, timed_out};
use super::turns::{End, Time, Turns};
use crate::{Error, ErrorKind, Executed, Frame, Name, RemoteError, Request, Response, TxId};

/// One end of a connection.
///
/// `T` is what the owner wants back with the end of a call: an index, a waker, a channel.
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
    serving: IdTable<Name>,
    outbox: Outbox,
    turns: Turns,
    /// No deadline of a call is before this. It may be too early, because a call that ends does not look for the next
    /// one: that is found when the time is over, for all calls at once.
    earliest_deadline: Option<Instant>,
    /// Whether the other side is told to stop with a call whose time is over.
    cancels_late: bool,
    sent_go_away: bool,
    received_go_away: bool,
    failed: bool,
}

#[derive(Debug)]
struct Call<T> {
    /// `None` when the owner has given the call up and only its answer is still to come.
    token: Option<T>,
    name: Name,
    time: Option<Time>,
    /// Which frame of this connection the request was.
    frame: u64,
}

impl<T> Connection<T> {
    /// A connection on which nothing has happened.
    pub fn new() -> Self {
        Self {
            calls: IdTable::new(),
            serving: IdTable::new(),
            outbox: Outbox::default(),
            turns: Turns::default(),
            earliest_deadline: None,
            cancels_late: true,
            sent_go_away: false,
            received_go_away: false,
            failed: false,
        }
    }

    /// Starts a call; its end is an [`Event::Answered`] with `token`. It is given up after `timeout`, if there is one, which
    /// runs from when [`begin`](Self::begin) is called next.
    ///
    /// # Errors
    /// `DuplicateId` where the id is in use, `Closed` after a goodbye of either side, `Invalid` where the message has no
    /// name. The token is dropped.
    pub fn call(
        &mut self,
        id: TxId,
        request: Request,
        timeout: Option<Duration>,
        token: T,
    ) -> Result<(), Error> {
        self.check_call(request.name())?;
        let frame = self.outbox.next_number();
        let time = timeout.map(|timeout| self.turns.take(timeout));
        let call = Call { token: Some(token), name: request.to_name(), time, frame };
        if !self.calls.insert(&id, call) {
            return Err(duplicate_id(request.name(), id));
        }
        self.outbox.push(Frame::Request { id, request });
        Ok(())
    }

    /// Whether there are calls whose time does not run yet.
    #[inline]
    pub fn has_begun(&self) -> bool {
        self.turns.has_waiting()
    }

    /// Has the time of the calls run that have started since the last time: one look at the clock for all of them.
    pub fn begin(&mut self, now: Instant) {
        let first = self.turns.begin(now);
        self.earliest_deadline = self.earliest_deadline.into_iter().chain(first).min();
        if self.turns.are_many() {
            self.set_deadlines();
        }
    }

    /// Has each call that has begun know its end by itself.
    fn set_deadlines(&mut self) {
        for time in self.calls.values_mut().filter_map(|call| call.time.as_mut()) {
            self.turns.settle(time);
        }
        self.turns.forget();
    }

    /// Sends a message that nobody answers.
    ///
    /// # Errors
    /// `Closed` after a goodbye of either side, `Invalid` where the message has no name.
    pub fn send(&mut self, id: TxId, mut request: Request) -> Result<(), Error> {
        self.check_call(request.name())?;
        request.set_oneway();
        self.outbox.push(Frame::Request { id, request });
        Ok(())
    }

    /// Gives a call up and returns its token. `None`: there is no such call, or it has ended already.
    pub fn cancel(&mut self, id: &TxId) -> Option<T> {
        let call = self.calls.get_mut(id)?;
        let token = call.token.take()?;
        if self.outbox.retract(call.frame) {
            self.calls.remove(id);
        } else {
            self.outbox.push(Frame::Cancel { id: id.clone() });
        }
        Some(token)
    }

    /// Gives a call up without a word to the other side, which goes on with it.
    fn abandon(&mut self, id: &TxId) -> Option<T> {
        let call = self.calls.get_mut(id)?;
        let token = call.token.take()?;
        if self.outbox.retract(call.frame) {
            self.calls.remove(id);
        }
        Some(token)
    }

    /// Whether the other side is told to stop with a call whose time is over, which is the default. Otherwise it goes
    /// on with it, and its answer is passed over.
    pub fn set_cancels_late_calls(&mut self, cancels: bool) {
        self.cancels_late = cancels;
    }

    /// Asks the other side for a sign of life, which it gives as soon as it reads.
    pub fn ping(&mut self) {
        self.outbox.push(Frame::Ping);
    }

    /// Answers a request of the other side. Nothing happens where it has been cancelled meanwhile; but its id may come
    /// again after that, so that an answer to a cancelled request must not be kept for later.
    pub fn answer(&mut self, id: &TxId, result: Result<Response, Error>) {
        let Some(name) = self.serving.end(id, std::mem::take) else { return };
        let id = id.clone();
        self.outbox.push(match result {
            Ok(response) => Frame::Reply { id, name, response },
            Err(error) => Frame::Error { id, name, error: Box::new(error.to_remote()) },
        });
    }

    /// Announces that this side starts no more calls.
    ///
    /// `stay` is how long the other side is to wait for another connection afterwards; `None`: not at all.
    pub fn send_go_away(&mut self, linger: Option<Duration>) {
        if !self.sent_go_away {
            self.sent_go_away = true;
            self.outbox.push(Frame::GoAway { linger });
        }
    }

    /// Takes in a frame of the other side.
    ///
    /// # Errors
    /// `Protocol` where the other side broke the rules: the connection is of no more use, and
    /// [`fail`](Self::fail) ends what is in flight. An answer to nothing is no such breach, and is passed over.
    pub fn handle_frame(&mut self, frame: Frame) -> Result<Option<Event<T>>, Error> {
        Ok(match frame {
            Frame::Request { id, mut request } => {
                request.arrive(&id);
                if !request.is_oneway() && !self.serving.insert(&id, request.to_name()) {
                    return Err(reused_id(request.name(), id));
                }
                Some(Event::Requested(request))
            }
            Frame::Reply { id, response, .. } => self.end(&id, |_| Ok(response)),
            Frame::Error { id, error, .. } => self.end(&id, |name| Err(Error::remote(name.as_str(), *error))),
            Frame::Cancel { id } => self.serving.remove(&id).map(|name| {
                let error = given_up(name.as_str());
                self.outbox.push(Frame::Error { id: id.clone(), name, error: Box::new(error.to_remote()) });
                Event::Cancelled(id)
            }),
            Frame::Ping => {
                self.outbox.push(Frame::Pong);
                None
            }
            Frame::Pong => None,
            Frame::GoAway { linger } => {
                self.received_go_away = true;
                Some(Event::GoAway { linger })
            }
            Frame::Unmarked { answer, request } => {
                let asked = answer.id().is_some_and(|id| self.calls.contains(id));
                return self.handle_frame(if asked { *answer } else { *request });
            }
        })
    }

    fn end(&mut self, id: &TxId, result: impl FnOnce(&Name) -> Result<Response, Error>) -> Option<Event<T>> {
        self.calls
            .end(id, |call| Some(Event::Answered { token: call.token.take()?, result: result(&call.name) }))?
    }

    /// The next frame to send. From now on it may have come to the other side.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        let frame = self.outbox.pop();
        self.transmitted();
        frame
    }

    /// The next frame to encode. Nothing of it is sent before [`transmitted`](Self::transmitted) says so, and nothing
    /// after [`fail`](Self::fail).
    #[inline]
    pub fn poll_encode(&mut self) -> Option<Frame> {
        self.outbox.pop()
    }

    /// Says that all frames that [`poll_encode`](Self::poll_encode) gave are about to be sent.
    #[inline]
    pub fn transmitted(&mut self) {
        self.outbox.transmitted();
    }

    /// Takes a frame back that turned out to have no encoding, for the reason that `error` tells: the call that it
    /// began ends with it, the request that it answers is answered by it.
    pub fn refuse(&mut self, frame: Frame, error: Error) -> Option<Event<T>> {
        match frame {
            // A oneway message has no call, but may have the id of one.
            Frame::Request { request, .. } if request.is_oneway() => None,
            Frame::Request { id, .. } => {
                let call = self.calls.remove(&id)?;
                Some(Event::Answered { token: call.token?, result: Err(error.with_executed(Executed::No)) })
            }
            // The error about an error is short; if it has no encoding either, the caller's timeout has to do.
            Frame::Error { ref error, .. } if is_refusal(error) => None,
            Frame::Reply { id, name, .. } | Frame::Error { id, name, .. } => {
                self.outbox.push(Frame::Error { id, name, error: Box::new(error.to_remote()) });
                None
            }
            _ => None,
        }
    }

    /// About how many bytes of memory wait to be sent, for backpressure: the payloads and the queue itself, because
    /// pongs and empty replies to a peer that does not read them take memory, too. 0 exactly if nothing waits.
    pub fn queued_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, at the earliest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.earliest_deadline
    }

    /// Gives up the calls whose time is over, the oldest first.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Event<T>> {
        if self.earliest_deadline.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.set_deadlines();
        self.earliest_deadline = None;
        let mut late = Vec::new();
        for (id, call) in self.calls.iter() {
            if let (Some(Time { timeout, end: End::At(at) }), Some(_)) = (call.time, &call.token) {
                if at <= now {
                    late.push((call.frame, id, call.name.clone(), timeout));
                } else {
                    self.earliest_deadline = self.earliest_deadline.into_iter().chain([at]).min();
                }
            }
        }
        // The order of the table is another one in each process.
        late.sort_unstable_by_key(|&(frame, ..)| frame);
        late.into_iter()
            .filter_map(|(frame, id, name, timeout)| {
                // What has been encoded will be sent.
                let executed = self.outbox.encoded(frame);
                let token = if self.cancels_late { self.cancel(&id)? } else { self.abandon(&id)? };
                Some(Event::Answered {
                    token,
                    result: Err(timed_out(&name, timeout).with_executed(executed)),
                })
            })
            .collect()
    }

    /// Ends every call in flight, because the connection is of no more use: what `error` makes of the message's name
    /// is its answer, the oldest first.
    pub fn fail(&mut self, mut error: impl FnMut(&str) -> Error) -> Vec<Event<T>> {
        self.failed = true;
        self.serving.clear();
        self.turns = Turns::default();
        self.earliest_deadline = None;
        let mut calls = std::mem::replace(&mut self.calls, IdTable::new()).into_values().collect::<Vec<_>>();
        calls.sort_unstable_by_key(|call| call.frame);
        let events = calls
            .into_iter()
            .filter_map(|call| {
                let executed = self.outbox.executed(call.frame);
                let error = error(call.name.as_str()).with_executed(executed);
                Some(Event::Answered { token: call.token?, result: Err(error) })
            })
            .collect();
        self.outbox = Outbox::default();
        events
    }

    /// The token of the call that has this id. `None`: there is no such call, or it was given up.
    pub fn token(&self, id: &TxId) -> Option<&T> {
        self.calls.get(id)?.token.as_ref()
    }

    /// How many calls of this side wait for their answer, those included that were given up.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Whether the other side has said goodbye.
    pub fn is_left(&self) -> bool {
        self.received_go_away
    }

    /// How many requests of the other side wait for an answer.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    fn check_call(&self, name: &str) -> Result<(), Error> {
        if name.is_empty() {
            return Err(nameless());
        }
        if self.sent_go_away || self.received_go_away || self.failed { Err(closed(name)) } else { Ok(()) }
    }
}

impl<T> Default for Connection<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Another one would be refused for the same reason, and so on without an end.
fn is_refusal(error: &RemoteError) -> bool {
    let kind = error.code.as_deref().and_then(ErrorKind::from_code);
    matches!(kind, Some(ErrorKind::TooLarge | ErrorKind::Encode))
}
