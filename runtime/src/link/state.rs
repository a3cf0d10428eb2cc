use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use isolated_workers_codec::Framing;
use isolated_workers_core::protocol::{Connection, Event};
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response, TxId};
use slab::Slab;
use tokio::io::AsyncWrite;

use super::outgoing::Outgoing;

/// How many bytes may wait to be written before callers wait for room and a worker stops reading.
const HIGH_WATER: usize = 1 << 20;

/// What is behind the lock of a link.
pub(super) struct State<F> {
    pub(super) connection: Connection<usize>,
    outgoing: Outgoing<F>,
    /// A place for each call that somebody waits for.
    calls: Slab<Place>,
    /// The task of the connection, while it sleeps.
    pump: Option<Waker>,
    /// Those who wait for the queue to be short enough.
    room: Vec<Waker>,
    /// Those to be woken when the lock is given back.
    woken: Vec<Waker>,
    /// For when the timer of the task is set.
    armed: Option<Instant>,
    /// Whether the other side has been left, to be reached again.
    away: bool,
}

enum Place {
    Waiting(Waker),
    Answered(Result<Response, Error>),
}

impl<F: Framing> State<F> {
    pub(super) fn new(framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            connection: Connection::new(),
            outgoing: Outgoing::new(framing, writer),
            calls: Slab::new(),
            pump: None,
            room: Vec::new(),
            woken: Vec::new(),
            armed: None,
            away: false,
        }
    }

    /// Begins anew over another stream. The places of calls stay: somebody may not have taken the end of one yet.
    pub(super) fn renew(&mut self, framing: F, writer: Box<dyn AsyncWrite + Send + Unpin>) {
        self.connection = Connection::new();
        self.outgoing = Outgoing::new(framing, writer);
        self.armed = None;
        self.away = false;
    }

    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    fn check_here(&self, name: &str) -> Result<(), Error> {
        if self.away { Err(disconnected(name)) } else { Ok(()) }
    }

    /// Whether as much waits to be written as may.
    pub(super) fn is_full(&self) -> bool {
        self.connection.queued_bytes() + self.outgoing.unwritten() > HIGH_WATER
    }

    pub(super) fn wait_for_room(&mut self, cx: &Context<'_>) {
        self.room.push(cx.waker().clone());
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
        let place = self.calls.vacant_key();
        self.connection.call(id, request, timeout, place, Instant::now())?;
        self.calls.insert(Place::Waiting(cx.waker().clone()));
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

    /// Writes at once where this is the only call, and leaves it to the task where others may come along.
    fn send(&mut self, cx: &mut Context<'_>) {
        let alone = self.connection.in_flight() <= 1;
        let sent = alone && self.flush(cx).is_ready();
        let sooner = match (self.connection.poll_timeout(), self.armed) {
            (Some(at), Some(armed)) => at < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !sent || sooner {
            self.wake_pump();
        }
    }

    pub(super) fn poll_answer(&mut self, place: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>> {
        match &mut self.calls[place] {
            Place::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Place::Answered(_) => match self.calls.remove(place) {
                Place::Answered(result) => Poll::Ready(result),
                Place::Waiting(_) => unreachable!("it was answered a line ago"),
            },
        }
    }

    /// Gives a call up whose future was dropped.
    pub(super) fn abandon(&mut self, place: usize, id: &TxId) {
        if let Place::Waiting(_) = self.calls.remove(place) {
            self.connection.cancel(id);
            self.wake_pump();
        }
    }

    /// Takes in the end of a call. Returns what else the event says.
    pub(super) fn settle(&mut self, event: Event<usize>) -> Option<Event<usize>> {
        match event {
            Event::Answered { token, result } => {
                let place = &mut self.calls[token];
                if let Place::Waiting(waker) = std::mem::replace(place, Place::Answered(result)) {
                    self.woken.push(waker);
                }
                None
            }
            other => Some(other),
        }
    }

    /// Writes as much as the stream takes. `Ready` says that nothing is left.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut refused = Vec::new();
        let flushed = self.outgoing.poll_flush(&mut self.connection, &mut refused, cx);
        for event in refused {
            self.settle(event);
        }
        if !self.room.is_empty() && !self.is_full() {
            self.woken.append(&mut self.room);
        }
        flushed
    }

    pub(super) fn broken(&mut self) -> Option<std::io::Error> {
        self.outgoing.broken()
    }

    /// Gives up the calls whose time is over, and tells when to ask again.
    pub(super) fn handle_timeout(&mut self) -> Option<Instant> {
        if self.connection.poll_timeout().is_some() {
            for event in self.connection.handle_timeout(Instant::now()) {
                self.settle(event);
            }
        }
        self.armed = self.connection.poll_timeout();
        self.armed
    }

    pub(super) fn sleep(&mut self, cx: &Context<'_>) {
        match &mut self.pump {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.pump = Some(cx.waker().clone()),
        }
    }

    /// Wakes the task, once for each time that it sleeps.
    fn wake_pump(&mut self) {
        self.woken.extend(self.pump.take());
    }

    pub(super) fn take_woken(&mut self, into: &mut Vec<Waker>) {
        into.append(&mut self.woken);
    }

    pub(super) fn fail(&mut self, error: impl FnMut(&str) -> Error) -> Vec<Waker> {
        for event in self.connection.fail(error) {
            self.settle(event);
        }
        self.wake_pump();
        self.woken.append(&mut self.room);
        std::mem::take(&mut self.woken)
    }

    pub(super) fn close(&mut self, stay: Option<Duration>, error: impl FnMut(&str) -> Error) -> Vec<Waker> {
        let wakers = self.fail(error);
        self.away = stay.is_some();
        self.connection.say_goodbye(stay);
        self.outgoing.shut_down_when_written();
        wakers
    }
}

#[cold]
fn disconnected(name: &str) -> Error {
    let text = format!("could not call `{name}`: the worker is disconnected; `reconnect` reaches it again");
    Error::new(ErrorKind::Closed, text).executed_is(Executed::No)
}
