//! Steps of a simulation. Each step acts on the pair and then reports to the oracle.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Ids, Mode, World};
use crate::testing::oracle::{MESSAGE, Verdict};
use crate::testing::{Endpoint, payload};
use crate::{Error, ErrorKind, Frame, Request, Response, Role, Streams, TxId};

/// Error kinds of handlers. Some kinds imply "not run" for a local error. They must not imply it if
/// a handler forwards the error of a call that it made itself.
const ERRORS: [ErrorKind; 6] = [
    ErrorKind::Remote,
    ErrorKind::Panicked,
    ErrorKind::UnknownMessage,
    ErrorKind::Decode,
    ErrorKind::Spawn,
    ErrorKind::DuplicateId,
];

impl World<'_> {
    fn step(&mut self, line: impl FnOnce() -> String) {
        self.oracle.summary.steps += 1;
        self.trace.step(self.pair.now(), line);
    }

    /// Checks both connections. Every step calls it last.
    fn check(&self) -> Verdict {
        Endpoint::BOTH.into_iter().try_for_each(|end| self.oracle.check(end, self.pair.connection(end)))
    }

    /// Takes the streams with something new from both connections, and compares them with the
    /// model.
    fn check_ready(&mut self) -> Verdict {
        for end in Endpoint::BOTH {
            let ready = std::iter::from_fn(|| self.pair.connection_mut(end).poll_stream()).collect();
            self.oracle.became_ready(end, ready)?;
        }
        self.check()
    }

    fn next_id(&mut self, end: Endpoint) -> TxId {
        let ids: &mut Ids = match end {
            Endpoint::Host => &mut self.host_ids,
            Endpoint::Worker => &mut self.worker_ids,
        };
        ids.next(self.pair.rng())
    }

    pub(super) fn call(&mut self, from: Endpoint, oneway: bool) -> Verdict {
        if oneway && self.oracle.has_max_oneways(from) {
            self.oracle.summary.waited += 1;
            return Ok(());
        }
        let id = self.next_id(from);
        let number = self.oracle.next_number();
        let timeout = if oneway { None } else { self.timeout() };
        let body = payload::body(number, self.rng());
        let streams = if oneway || self.rng().chance(60) { Streams::NONE } else { self.streams() };
        self.step(|| {
            let what = if oneway { "sends" } else { "calls" };
            format!("{from} {what} #{number} with id {id}, timeout {timeout:?}, {streams:?}")
        });
        let deadline = timeout.and_then(|timeout| self.pair.now().checked_add(timeout));
        let mut request = Request::new(MESSAGE, body.clone());
        request.set_streams(streams);
        let result = if oneway {
            self.pair.send(from, id.clone(), request)
        } else {
            self.pair.call(from, id.clone(), request, timeout, number)
        };
        self.trace.outcome(|| format!("{:?}", result.as_ref().map_err(Error::kind)));
        self.oracle.called((from, id, body), deadline, (oneway, streams), &result)?;
        self.check()
    }

    fn streams(&mut self) -> Streams {
        Streams { from_caller: self.rng().chance(60), from_callee: self.rng().chance(60) }
    }

    /// Sends an item. Returns `false` if there is no stream to send it in.
    pub(super) fn send_item(&mut self, from: Endpoint) -> Result<bool, String> {
        let streams = self.oracle.streams(from, true);
        let Some((role, number)) = self.rng().pick(&streams) else { return Ok(false) };
        let (id, item) = (self.oracle.id(number).clone(), payload::body(number, self.rng()));
        self.step(|| format!("{from} sends an item of {} bytes in #{number}, id {id}", item.len()));
        let sending = self.pair.connection(from).sending(role, &id);
        self.pair.connection_mut(from).send_item(role, &id, item.clone());
        self.trace.outcome(|| format!("{sending:?}"));
        self.oracle.sent_item(from, role, number, item, sending)?;
        self.check_ready()?;
        Ok(true)
    }

    pub(super) fn end_items(&mut self, from: Endpoint) -> Verdict {
        let mut streams = self.oracle.streams(from, true);
        streams.retain(|(role, _)| *role == Role::Caller);
        let Some((_, number)) = self.rng().pick(&streams) else { return Ok(()) };
        let id = self.oracle.id(number).clone();
        self.step(|| format!("{from} ends the items of #{number}, id {id}"));
        self.pair.connection_mut(from).end_items(&id);
        self.oracle.ended_items(from, number);
        self.check_ready()
    }

    pub(super) fn take_items(&mut self, at: Endpoint) -> Verdict {
        let mut streams = self.oracle.streams(at, false);
        // Streams without items are mostly skipped, because there are many of them.
        if self.rng().chance(90) {
            streams.retain(|(role, number)| self.oracle.has_untaken(*role, *number));
        }
        let Some((role, number)) = self.rng().pick(&streams) else { return Ok(()) };
        let id = self.oracle.id(number).clone();
        self.step(|| format!("{at} takes the items of #{number}, id {id}"));
        let mut items = VecDeque::new();
        let receiving = self.pair.connection_mut(at).take_items(role, &id, &mut items);
        self.trace.outcome(|| format!("{} items, {receiving:?}", items.len()));
        let cost = self.oracle.took_items(at, role, number, &items, receiving)?;
        self.pair.connection_mut(at).finish_items(role, &id, cost);
        self.check_ready()
    }

    fn timeout(&mut self) -> Option<Duration> {
        let rng = self.rng();
        match rng.below(10) {
            0..4 => None,
            4 => Some(Duration::ZERO),
            5 => Some(Duration::MAX),
            // Few distinct values, so that some calls expire at the same time.
            _ => Some(Duration::from_millis(5 * (1 + rng.below(6)))),
        }
    }

    pub(super) fn cancel(&mut self, from: Endpoint) -> Verdict {
        let in_use = self.oracle.in_use(from);
        let id = match self.pair.rng().pick(in_use) {
            Some(number) => self.oracle.id(number).clone(),
            None => self.next_id(from),
        };
        self.step(|| format!("{from} cancels id {id}"));
        let token = self.pair.cancel(from, &id);
        self.trace.outcome(|| format!("{token:?}"));
        self.oracle.cancelled(from, &id, self.pair.now(), token)?;
        self.check()
    }

    pub(super) fn answer(&mut self, at: Endpoint) -> Verdict {
        let Some(number) = self.pair.rng().pick(self.oracle.serving(at)) else { return Ok(()) };
        let id = self.oracle.id(number).clone();
        if self.rng().chance(70) {
            let body = payload::body(number, self.rng());
            self.step(|| format!("{at} replies to #{number}, id {id}"));
            self.pair.answer(at, &id, Ok(Response::new(body.clone())));
            self.oracle.answered(at, number, Ok(body));
        } else {
            let kind = self.rng().pick(&ERRORS).unwrap_or(ErrorKind::Remote);
            self.step(|| format!("{at} fails #{number}, id {id}, with {kind:?}"));
            self.pair.answer(at, &id, Err(Error::new(kind, format!("could not do #{number}"))));
            self.oracle.answered(at, number, Err(kind));
        }
        self.check()
    }

    /// Finishes a oneway message that `at` has received.
    pub(super) fn finish_oneway(&mut self, at: Endpoint) -> Verdict {
        let Some(number) = self.pair.rng().pick(self.oracle.unfinished(at)) else { return Ok(()) };
        self.step(|| format!("{at} finishes #{number}"));
        let cost = self.oracle.finished(at, number);
        self.pair.connection_mut(at).finish_oneways(cost);
        self.check()
    }

    /// Answers a request twice, or after its cancel. The late answer must change nothing. Skips
    /// requests whose id is in use again, because the answer would go to the newer request.
    pub(super) fn answer_late(&mut self, at: Endpoint) -> Verdict {
        let number = self.pair.rng().below(self.oracle.next_number() as u64) as usize;
        let Some(id) = self.oracle.finished_id(at, number).cloned() else { return Ok(()) };
        self.step(|| format!("{at} answers #{number}, id {id}, too late"));
        self.pair.answer(at, &id, Ok(Response::default()));
        self.check()
    }

    /// Returns `true` if the stream from this endpoint is full.
    pub(super) fn is_blocked(&self, from: Endpoint) -> bool {
        !self.pair.is_broken() && self.pair.in_transit(from.other()) >= self.capacity
    }

    pub(super) fn transmit(&mut self, from: Endpoint) -> Verdict {
        if self.is_blocked(from) {
            self.oracle.summary.blocked += 1;
            return Ok(());
        }
        self.step(|| format!("{from} transmits"));
        let frame = self.pair.transmit(from);
        self.trace.outcome(|| frame.as_ref().map_or("nothing".into(), describe));
        self.oracle.transmitted(from, frame.as_ref())?;
        self.check_ready()
    }

    pub(super) fn refuse(&mut self, from: Endpoint) -> Verdict {
        let Some(number) = self.oracle.refusable(from) else { return Ok(()) };
        let kind = if self.rng().chance(50) { ErrorKind::TooLarge } else { ErrorKind::Encode };
        self.step(|| format!("{from} cannot encode its frame of #{number}: {kind:?}"));
        let event = self.pair.refuse(from, Error::new(kind, format!("could not encode #{number}")));
        self.trace.outcome(|| format!("{event:?}"));
        self.oracle.refused(from, kind, self.pair.now(), event)?;
        self.check_ready()
    }

    pub(super) fn deliver(&mut self, to: Endpoint) -> Verdict {
        // A failed connection is no longer read.
        let frame = self.pair.peek(to).filter(|_| !self.oracle.has_failed(to)).cloned();
        let Some(frame) = frame else { return Ok(()) };
        self.step(|| format!("{to} receives {}", describe(&frame)));
        let outcome = self.pair.deliver(to);
        self.oracle.delivered(to, &frame, outcome)?;
        self.check_ready()
    }

    /// Length of a pause: up to 11 ms, or the time until the next wake-up, or 1 ns less than that.
    pub(super) fn pause(&mut self) -> Duration {
        let now = self.pair.now();
        let wakes =
            Endpoint::BOTH.into_iter().filter_map(|end| self.pair.connection(end).poll_timeout()).min();
        let wakes = wakes.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        match self.rng().below(4) {
            0 => wakes,
            1 => wakes.saturating_sub(Duration::from_nanos(1)),
            _ => Duration::from_millis(self.rng().below(12)),
        }
    }

    pub(super) fn advance(&mut self, by: Duration) -> Verdict {
        self.step(|| format!("{by:?} elapse"));
        self.pair.advance(by);
        self.check()
    }

    pub(super) fn expire(&mut self, end: Endpoint) -> Verdict {
        self.step(|| format!("{end} handles timeouts"));
        let events = self.pair.expire(end);
        self.trace.outcome(|| format!("{events:?}"));
        self.oracle.expired(end, self.pair.now(), &events)?;
        let wakes = self.pair.connection(end).poll_timeout();
        if wakes.is_some_and(|at| at <= self.pair.now()) {
            return Err(format!("{end}: poll_timeout() is not later than now right after handle_timeout()"));
        }
        self.check()
    }

    pub(super) fn ping(&mut self, from: Endpoint) -> Verdict {
        self.step(|| format!("{from} pings"));
        self.pair.inject(from, Frame::Ping);
        self.check()
    }

    pub(super) fn set_mode(&mut self, end: Endpoint, mode: Mode) -> Verdict {
        self.step(|| format!("{end} is {mode:?}"));
        let before = std::mem::replace(self.mode(end), mode);
        self.oracle.summary.stopped_reading += u64::from(before == Mode::Running && mode != before);
        self.check()
    }

    pub(super) fn send_go_away(&mut self, from: Endpoint) -> Verdict {
        self.step(|| format!("{from} sends a go-away"));
        self.pair.send_go_away(from);
        self.oracle.sent_go_away(from);
        self.check()
    }

    pub(super) fn break_connection(&mut self) -> Verdict {
        self.step(|| "the connection breaks".into());
        self.pair.break_connection();
        self.check()
    }

    /// Closes the connection at `end` without waiting for the calls in flight.
    pub(super) fn close(&mut self, end: Endpoint) -> Verdict {
        self.fail(end)?;
        self.send_go_away(end)?;
        self.transmit(end)?;
        self.break_connection()
    }

    /// Drops `end` with all that it has not transmitted.
    pub(super) fn drop_endpoint(&mut self, end: Endpoint) -> Verdict {
        self.oracle.summary.dropped += 1;
        self.fail(end)?;
        self.break_connection()
    }

    /// Makes `end` send a go-away and nothing more, until the other endpoint drops the connection.
    pub(super) fn stall(&mut self, end: Endpoint) -> Verdict {
        self.send_go_away(end)?;
        while self.oracle.has_to_transmit(end) && !self.is_blocked(end) {
            self.transmit(end)?;
        }
        let peer = end.other();
        while self.pair.in_transit(peer) > 0 && !self.oracle.has_failed(peer) {
            self.deliver(peer)?;
        }
        self.drop_endpoint(peer)
    }

    pub(super) fn fail(&mut self, end: Endpoint) -> Verdict {
        self.step(|| format!("{end} detects the broken connection"));
        let events = self.pair.fail(end, |_| Error::new(ErrorKind::Crashed, "the connection broke"));
        self.trace.outcome(|| format!("{events:?}"));
        self.oracle.failed(end, &events)?;
        self.check()
    }
}

/// Describes a frame without its payload.
fn describe(frame: &Frame) -> String {
    match frame {
        Frame::Request { id, request } => {
            let what = if request.is_oneway() { "oneway" } else { "request" };
            format!("{what} #{}, id {id}", payload::number_of(request.body()).unwrap_or_default())
        }
        Frame::Reply { id, .. } => format!("reply, id {id}"),
        Frame::Error { id, error, .. } => format!("error, id {id}: {}", error.message),
        Frame::Item { id, from, body } => format!("item of the {from:?}, id {id}, {} bytes", body.len()),
        other => format!("{other:?}"),
    }
}
