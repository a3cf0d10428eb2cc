use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hashbrown::HashMap;
use isolated_workers_codec::Framing;
use isolated_workers_core::protocol::{Connection, Event};
use isolated_workers_core::{Error, ErrorKind, Executed, Frame, Request, Response, TxId};
use tokio::io::AsyncWrite;

use super::outgoing::Outgoing;
use super::places::Places;
use super::seats::Seats;
use crate::OnTimeout;

/// How many bytes may wait to be written before callers wait for room and a worker stops reading.
const HIGH_WATER: usize = 1 << 20;

/// With so many bytes a caller writes without waiting for company: the other side is at work on them meanwhile.
const EARLY: usize = 4 << 10;

/// What is behind the lock of a link.
pub(super) struct State<F> {
    pub(super) connection: Connection<usize>,
    outgoing: Outgoing<F>,
    pub(super) places: Places,
    /// The task of the connection, while it sleeps.
    pump: Option<Waker>,
    /// Those who wait for the queue to be short enough, or for a worker that is being started.
    parked: HashMap<u64, Waker>,
    next_parked: u64,
    /// Those to be woken when the lock is given back.
    woken: Vec<Waker>,
    /// How many calls were answered since the task slept last.
    answered: usize,
    /// Whether several were the last time: those who are answered together call again together, as a rule.
    has_company: bool,
    /// For when the timer of the task is set.
    armed: Option<Instant>,
    presence: Presence,
    on_timeout: OnTimeout,
    /// Whether a worker that ends by itself is started again.
    respawns: bool,
    /// Whether the time of a call was over that the worker is to be killed for.
    overran: bool,
    /// Where this side serves, and is about to leave.
    leave: Option<Leave>,
    pub(super) seats: Seats,
}

/// How far a side is that serves and is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// The other side may not have heard the goodbye yet.
    Said,
    /// It has, and asks for nothing more.
    Heard,
    /// It does not know what a goodbye is: what it asks for is refused.
    Refusing,
}

/// Whether the other side is there for calls.
#[derive(Debug)]
pub(crate) enum Presence {
    Here,
    /// It has been left, to be reached again.
    Away,
    /// It is being started again, and calls wait for it.
    Starting,
    /// It finishes what is in flight.
    Draining,
    /// It was closed, or has ended.
    Ended,
    /// It will not come back, for this reason.
    Gone(Error),
}

impl<F: Framing> State<F> {
    pub(super) fn new(framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            connection: Connection::new(),
            outgoing: Outgoing::new(framing, writer),
            places: Places::default(),
            pump: None,
            parked: HashMap::new(),
            next_parked: 0,
            woken: Vec::new(),
            answered: 0,
            has_company: false,
            armed: None,
            presence: Presence::Here,
            on_timeout: OnTimeout::Cancel,
            respawns: false,
            overran: false,
            leave: None,
            seats: Seats::default(),
        }
    }

    pub(super) fn set_policy(&mut self, on_timeout: OnTimeout, respawns: bool) {
        self.on_timeout = on_timeout;
        self.respawns = respawns;
        self.connection.set_cancel_on_timeout(on_timeout != OnTimeout::Abandon);
    }

    /// Begins anew over another stream. The places of calls stay: somebody may not have taken the end of one yet.
    pub(super) fn renew(&mut self, framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) {
        self.connection = Connection::new();
        self.set_policy(self.on_timeout, self.respawns);
        self.outgoing = Outgoing::new(framing, writer);
        self.armed = None;
        self.overran = false;
        self.presence = Presence::Here;
        self.unpark();
    }

    pub(super) fn release(&mut self) {
        self.outgoing.release();
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Whether a call can start, as far as is known.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.presence, Presence::Here)
            && self.outgoing.is_open()
            && !self.connection.has_received_go_away()
    }

    /// Takes a seat for a call that can start.
    pub(super) fn take_seat(&mut self) -> bool {
        self.is_here() && self.seats.take()
    }

    fn check_here(&self, name: &str) -> Result<(), Error> {
        match &self.presence {
            // The connection of one that has ended refuses calls itself.
            Presence::Here | Presence::Starting | Presence::Ended => Ok(()),
            Presence::Away => Err(disconnected(name)),
            Presence::Draining => Err(draining(name)),
            Presence::Gone(error) => Err(error.clone()),
        }
    }

    /// Whether as much waits to be written as may.
    pub(super) fn is_full(&self) -> bool {
        self.connection.queued_bytes() + self.outgoing.unwritten() > HIGH_WATER
    }

    /// Whether a call has to wait before it starts.
    pub(super) fn must_wait(&self) -> bool {
        match self.presence {
            // One that is about to be killed would take the call with it.
            Presence::Here => {
                self.is_full() || self.overran || (self.respawns && self.connection.has_received_go_away())
            }
            Presence::Starting => true,
            Presence::Away | Presence::Draining | Presence::Ended | Presence::Gone(_) => false,
        }
    }

    /// Whether the other side is being started, and that is why calls wait.
    pub(super) fn is_starting(&self) -> bool {
        !self.is_full()
    }

    /// QueueStats until there is a reason to try again. `key` is that of a wait that was begun before.
    pub(super) fn park(&mut self, key: Option<u64>, cx: &Context<'_>) -> u64 {
        let key = key.unwrap_or_else(|| {
            self.next_parked += 1;
            self.next_parked
        });
        self.parked.insert(key, cx.waker().clone());
        key
    }

    pub(super) fn unpark_one(&mut self, key: u64) {
        self.parked.remove(&key);
    }

    fn unpark(&mut self) {
        self.woken.extend(self.parked.drain().map(|(_, waker)| waker));
    }

    /// Starts a call and returns its place.
    pub(super) fn start(
        &mut self,
        id: TxId,
        request: Request,
        timeout: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Result<usize, Error> {
        self.check_here(request.name())?;
        let place = self.places.next();
        self.connection.call(id, request, timeout, place)?;
        self.places.wait(cx);
        self.send(cx);
        Ok(place)
    }

    /// Sends a message that nobody answers.
    pub(super) fn start_oneway(
        &mut self,
        id: TxId,
        request: Request,
        cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        self.check_here(request.name())?;
        self.connection.send(id, request)?;
        self.send(cx);
        Ok(())
    }

    /// Writes at once where this is the only call, and leaves it to the task where others may come along. Those are
    /// encoded all the same, while what they are made of is close at hand.
    fn send(&mut self, cx: &mut Context<'_>) {
        let alone = self.connection.in_flight() <= 1 && !self.has_company;
        let sent = if alone {
            self.begin();
            self.flush(cx).is_ready()
        } else {
            self.encode();
            if self.outgoing.unwritten() >= EARLY {
                let _ = self.flush(cx);
            }
            false
        };
        let sooner = match (self.connection.poll_timeout(), self.armed) {
            (Some(at), Some(armed)) => at < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !sent || sooner {
            self.wake_pump();
        }
    }

    /// Gives a call up whose future was dropped.
    pub(super) fn abandon(&mut self, place: usize, id: &TxId) {
        if self.places.remove(place) {
            self.connection.cancel(id);
            self.wake_pump();
        }
    }

    /// Takes in the end of a call.
    pub(super) fn settle(&mut self, place: usize, result: Result<Response, Error>) {
        self.answered += 1;
        if let Some(waker) = self.places.answer(place, result) {
            self.woken.push(waker);
        }
    }

    /// Takes in the ends of calls.
    fn settle_all(&mut self, ended: Vec<Event<usize>>) {
        for event in ended {
            if let Event::Answered { token, result } = event {
                self.settle(token, result);
            }
        }
    }

    /// Has the time of calls run that the task does not know of yet.
    fn begin(&mut self) {
        if self.connection.has_unstarted_timeouts() {
            self.connection.start_timeouts(Instant::now());
        }
    }

    fn encode(&mut self) {
        let mut refused = Vec::new();
        self.outgoing.encode(&mut self.connection, &mut refused);
        self.settle_all(refused);
    }

    /// Writes as much as the stream takes. `Ready` says that nothing is left.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut refused = Vec::new();
        let flushed = self.outgoing.poll_flush(&mut self.connection, &mut refused, cx);
        self.settle_all(refused);
        if !self.outgoing.is_open() {
            self.seats.close();
        }
        if !self.parked.is_empty() && !self.must_wait() {
            self.unpark();
        }
        flushed
    }

    pub(super) fn broken(&mut self) -> Option<std::io::Error> {
        self.outgoing.broken()
    }

    /// Gives up the calls whose time is over, and tells when to ask again.
    pub(super) fn handle_timeout(&mut self) -> Option<Instant> {
        self.begin();
        if self.connection.poll_timeout().is_some() {
            let late = self.connection.handle_timeout(Instant::now());
            self.overran |= !late.is_empty() && self.on_timeout == OnTimeout::Kill;
            self.settle_all(late);
            if self.overran {
                self.seats.close();
            }
        }
        self.armed = self.connection.poll_timeout();
        self.armed
    }

    /// Whether the time of a call was over that the worker is to be killed for.
    pub(super) fn has_overrun(&self) -> bool {
        self.overran
    }

    pub(super) fn ping(&mut self) {
        self.connection.ping();
        self.wake_pump();
    }

    pub(super) fn drain(&mut self) {
        self.presence = Presence::Draining;
        self.seats.close();
        self.unpark();
        self.wake_pump();
    }

    pub(super) fn take_leave(&mut self, is_known: bool) {
        if is_known {
            self.connection.send_go_away(None);
        }
        self.leave = Some(if is_known { Leave::Said } else { Leave::Refusing });
        self.wake_pump();
    }

    /// Takes in that the other side asks for nothing more. Returns whether the connection goes on all the same, until what
    /// is in flight is answered.
    pub(super) fn hear_go_away(&mut self, serves: bool) -> bool {
        if serves {
            self.leave = self.leave.map(|_| Leave::Heard);
            return self.leave.is_some();
        }
        self.seats.close();
        // By which the other side knows that no call of this one is on its way to it any more.
        self.connection.send_go_away(None);
        true
    }

    /// Answers a request of a side that does not know that this one is about to leave. Returns it where that is not so.
    pub(super) fn admit(&mut self, request: Request) -> Option<Request> {
        if self.leave != Some(Leave::Refusing) {
            return Some(request);
        }
        if let Some(id) = request.id().filter(|_| !request.is_oneway()) {
            let text = format!(
                "could not call `{}`: the worker finishes what it has begun and ends",
                request.name()
            );
            self.connection.answer(id, Err(Box::new(Error::new(ErrorKind::Closed, text).to_remote())));
        }
        None
    }

    /// Whether the other side asks for nothing more, or is refused it.
    pub(super) fn is_left(&self) -> bool {
        matches!(self.leave, Some(Leave::Heard | Leave::Refusing))
    }

    /// Whether every answer has been written.
    pub(super) fn has_answered(&self) -> bool {
        self.connection.serving() == 0 && self.is_written()
    }

    pub(super) fn is_written(&self) -> bool {
        self.connection.queued_bytes() == 0 && self.outgoing.unwritten() == 0
    }

    pub(super) fn is_idle(&self) -> bool {
        self.connection.in_flight() == 0 && self.is_written()
    }

    pub(super) fn sleep(&mut self, cx: &Context<'_>) {
        if self.answered > 0 {
            self.has_company = std::mem::take(&mut self.answered) > 1;
        }
        match &mut self.pump {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.pump = Some(cx.waker().clone()),
        }
    }

    /// Wakes the task, once for each time that it sleeps.
    fn wake_pump(&mut self) {
        self.woken.extend(self.pump.take());
    }

    /// Those to be woken when the lock is given back.
    #[inline]
    pub(super) fn woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// The same where there may be many, again and again: both keep their memory.
    pub(super) fn take_woken(&mut self, into: &mut Vec<Waker>) {
        into.append(&mut self.woken);
    }

    pub(super) fn fail(&mut self, presence: Presence, error: impl FnMut(&str) -> Error) {
        self.presence = presence;
        self.seats.close();
        let retracted = self.outgoing.retract();
        let unsent = if self.seats.taken() > 0 { self.unsent(retracted) } else { Vec::new() };
        let ended = self.connection.fail(error);
        self.settle_all(ended);
        for (place, request) in unsent {
            self.places.send_back(place, request);
        }
        self.wake_pump();
        self.unpark();
    }

    /// The calls that the stream was not offered yet, from what they were encoded to: so nothing has to be kept of a call
    /// for the case that its worker dies before it is sent.
    #[cold]
    fn unsent(&mut self, retracted: Vec<Bytes>) -> Vec<(usize, Request)> {
        let mut frames = self.outgoing.decoded(retracted);
        frames.extend(std::iter::from_fn(|| self.connection.poll_encode()));
        let unsent = frames.into_iter().filter_map(|frame| {
            let frame = match frame {
                Frame::Unmarked { request, .. } => *request,
                frame => frame,
            };
            match frame {
                // A oneway message has no call, but may have the id of one.
                Frame::Request { id, request } if !request.is_oneway() => {
                    Some((*self.connection.token(&id)?, request.sent_back(id)))
                }
                _ => None,
            }
        });
        unsent.collect()
    }

    pub(super) fn close(&mut self, linger: Option<Duration>, error: impl FnMut(&str) -> Error) {
        let presence = if linger.is_some() { Presence::Away } else { Presence::Ended };
        self.fail(presence, error);
        self.connection.send_go_away(linger);
        self.outgoing.shut_down_when_written();
    }
}

#[cold]
fn disconnected(name: &str) -> Error {
    let text = format!("could not call `{name}`: the worker is disconnected; `reconnect` reaches it again");
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}

#[cold]
fn draining(name: &str) -> Error {
    let text = format!(
        "could not call `{name}`: the worker is being drained and takes no more calls; start another"
    );
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}
