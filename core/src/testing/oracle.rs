//! Model of two connections, derived from their documentation and not from their code. It tracks
//! every request from its call to its end, and compares both endpoints with the model at every
//! step.

mod arrival;
mod audit;
mod flow;
mod ledger;

use std::time::Instant;

use self::flow::Flow;
use self::ledger::{Answer, Ledger, QueuedFrame, Tracked};
use super::{Endpoint, Summary, payload};
use crate::protocol::{Admission, Connection, Event};
use crate::{Body, Error, ErrorKind, Executed, Frame, Name, Response, Role, Streams, TxId};

/// Name of every message.
pub(super) const MESSAGE: Name = Name::from_static("work");

/// Result of a check. `Err` names the rule that was broken.
pub(super) type Verdict = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}
use ensure;

#[derive(Debug, Default)]
pub(super) struct Oracle {
    requests: Vec<Tracked>,
    host: Ledger,
    worker: Ledger,
    /// Amounts that the host and the worker take. `None`: they have not announced it.
    admissions: Option<(Admission, Admission)>,
    /// `true` if the worker may call after a go-away.
    calls_after_go_away: bool,
    pub(super) summary: Summary,
}

impl Oracle {
    pub(super) fn new(admissions: Option<(Admission, Admission)>, calls_after_go_away: bool) -> Self {
        Self { admissions, calls_after_go_away, ..Self::default() }
    }

    /// Amount that `end` takes from its peer.
    fn admission(&self, end: Endpoint) -> Admission {
        match (self.admissions, end) {
            (None, _) => Admission::UNANNOUNCED,
            (Some((host, _)), Endpoint::Host) => host,
            (Some((_, worker)), Endpoint::Worker) => worker,
        }
    }

    /// Size that a request counts.
    fn bytes(&self, number: usize) -> usize {
        MESSAGE.as_str().len() + self.requests[number].body.len()
    }

    fn oneway_cost(&self, number: usize) -> usize {
        self.bytes(number).max(Admission::MIN_ONEWAY_BYTES)
    }

    /// Returns `true` if a call of `end` must be held.
    fn has_max_calls(&self, end: Endpoint) -> bool {
        !self.ledger(end).held.is_empty() || self.has_no_room(end)
    }

    fn has_no_room(&self, end: Endpoint) -> bool {
        let (taken, held) = (self.admission(end.other()), &self.ledger(end).held);
        let queued = self.in_use(end).iter().filter(|number| !held.contains(number));
        let bytes = queued.clone().map(|&number| self.bytes(number)).sum::<usize>();
        queued.count() >= taken.requests || bytes >= taken.request_bytes
    }

    /// Queues the calls of `end` that its peer takes now.
    pub(super) fn queue_held(&mut self, end: Endpoint) {
        while !self.has_no_room(end)
            && let Some(number) = self.ledger_mut(end).held.pop_front()
        {
            self.ledger_mut(end).outgoing.push_back(QueuedFrame::Request(number));
            self.start_items(end, number);
        }
    }

    /// Returns `true` if `end` must wait before it sends a oneway message.
    pub(super) fn has_max_oneways(&self, end: Endpoint) -> bool {
        self.ledger(end).oneway_cost >= self.admission(end.other()).oneway_bytes
    }

    /// Oneway messages of the peer that `end` has not finished.
    pub(super) fn unfinished(&self, end: Endpoint) -> &[usize] {
        &self.ledger(end).unfinished
    }

    /// Records that `at` has finished a oneway message. Returns its cost.
    pub(super) fn finished(&mut self, at: Endpoint, number: usize) -> usize {
        let (cost, taken) = (self.oneway_cost(number), self.admission(at).oneway_bytes);
        let ledger = self.ledger_mut(at);
        ledger.unfinished.retain(|&other| other != number);
        ledger.finished_cost += cost;
        if ledger.finished_cost >= taken / 2 {
            let credit = std::mem::take(&mut ledger.finished_cost) as u64;
            ledger.outgoing.push_back(QueuedFrame::Credit(credit));
        }
        cost
    }

    fn ledger(&self, end: Endpoint) -> &Ledger {
        match end {
            Endpoint::Host => &self.host,
            Endpoint::Worker => &self.worker,
        }
    }

    fn ledger_mut(&mut self, end: Endpoint) -> &mut Ledger {
        match end {
            Endpoint::Host => &mut self.host,
            Endpoint::Worker => &mut self.worker,
        }
    }

    /// Number that the next accepted request gets.
    pub(super) fn next_number(&self) -> usize {
        self.requests.len()
    }

    /// Id of an accepted request.
    pub(super) fn id(&self, number: usize) -> &TxId {
        &self.requests[number].id
    }

    /// Id of this request, if `at` has received it and serves no request with that id now.
    pub(super) fn finished_id(&self, at: Endpoint, number: usize) -> Option<&TxId> {
        let request = self.requests.get(number)?;
        let over = request.from == at.other() && request.seen;
        (over && self.with_id(self.serving(at), &request.id).is_none()).then_some(&request.id)
    }

    /// Calls of `end` whose ids are in use.
    pub(super) fn in_use(&self, end: Endpoint) -> &[usize] {
        &self.ledger(end).in_use
    }

    /// Requests that `end` must still answer.
    pub(super) fn serving(&self, end: Endpoint) -> &[usize] {
        &self.ledger(end).serving
    }

    pub(super) fn has_failed(&self, end: Endpoint) -> bool {
        self.ledger(end).failed
    }

    pub(super) fn has_to_transmit(&self, end: Endpoint) -> bool {
        let Ledger { outgoing, held, .. } = self.ledger(end);
        !outgoing.is_empty() || (!held.is_empty() && !self.has_no_room(end))
    }

    fn with_id(&self, numbers: &[usize], id: &TxId) -> Option<usize> {
        numbers.iter().copied().find(|&number| self.requests[number].id == *id)
    }

    /// Records that `from` made a call or sent a oneway message.
    pub(super) fn called(
        &mut self,
        (from, id, body): (Endpoint, TxId, Body),
        deadline: Option<Instant>,
        (oneway, streams): (bool, Streams),
        result: &Result<(), Error>,
    ) -> Verdict {
        let ledger = self.ledger(from);
        let has_go_away = ledger.sent_go_away || ledger.received_go_away;
        let may_call = self.calls_after_go_away && from == Endpoint::Worker;
        if has_go_away && may_call && !ledger.failed {
            self.summary.called_after_go_away += 1;
        }
        let ledger = self.ledger(from);
        let expected = if has_go_away && !may_call || ledger.failed {
            self.summary.refused_closed += 1;
            Some(ErrorKind::Closed)
        } else if !streams.is_none() && self.admissions.is_none() {
            self.summary.refused_streams += 1;
            Some(ErrorKind::Unsupported)
        } else if !oneway && self.with_id(&ledger.in_use, &id).is_some() {
            self.summary.refused_duplicate += 1;
            Some(ErrorKind::DuplicateId)
        } else {
            None
        };
        let refused = result.as_ref().err();
        let kind = refused.map(Error::kind);
        ensure!(kind == expected, "refused with {kind:?}, expected {expected:?}");
        if let Some(error) = refused {
            let executed = error.executed();
            ensure!(executed == Executed::No, "a refused request has executed: {executed:?}");
            return Ok(());
        }
        let number = self.next_number();
        let is_held = !oneway && self.has_max_calls(from);
        self.requests.push(Tracked {
            from,
            id,
            oneway,
            streams,
            from_caller: Flow::default(),
            from_callee: Flow::default(),
            body,
            deadline,
            sent: false,
            seen: false,
            never: false,
            ended: oneway,
            cancelled_at: None,
            answer: None,
        });
        if is_held {
            self.summary.held += 1;
            self.ledger_mut(from).held.push_back(number);
        } else {
            self.ledger_mut(from).outgoing.push_back(QueuedFrame::Request(number));
        }
        if oneway {
            self.summary.oneways += 1;
            let cost = self.oneway_cost(number);
            self.ledger_mut(from).oneway_cost += cost;
        } else {
            self.ledger_mut(from).in_use.push(number);
            self.summary.calls += 1;
        }
        Ok(())
    }

    /// Records that `end` cancelled a call and got this token back.
    pub(super) fn cancelled(
        &mut self,
        end: Endpoint,
        id: &TxId,
        now: Instant,
        token: Option<usize>,
    ) -> Verdict {
        let known = self.with_id(self.in_use(end), id);
        let expected = known.filter(|&number| !self.requests[number].ended);
        ensure!(token == expected, "the cancel of {id} returned {token:?}, expected {expected:?}");
        if let Some(number) = token {
            self.summary.cancelled += 1;
            self.give_up(number, now);
        }
        Ok(())
    }

    /// Gives up a request. If it was not sent, it is retracted. Otherwise the peer gets a cancel
    /// and the id stays in use.
    fn give_up(&mut self, number: usize, now: Instant) {
        let request = &mut self.requests[number];
        request.ended = true;
        let (from, sent) = (request.from, request.sent);
        self.remove_items(from, Role::Caller, number);
        let request = &mut self.requests[number];
        if sent {
            request.cancelled_at = Some(now);
            let cancel = QueuedFrame::Cancel(request.id.clone());
            self.ledger_mut(from).outgoing.push_back(cancel);
        } else {
            request.never = true;
            self.summary.retracted += 1;
            let ledger = self.ledger_mut(from);
            ledger.in_use.retain(|&other| other != number);
            let queued = ledger.outgoing.len();
            ledger.outgoing.retain(|frame| *frame != QueuedFrame::Request(number));
            ledger.retracted += queued - ledger.outgoing.len();
            ledger.held.retain(|&other| other != number);
        }
    }

    /// Records that `at` answered a request.
    pub(super) fn answered(&mut self, at: Endpoint, number: usize, result: Result<Body, ErrorKind>) {
        let answer = &mut self.requests[number].answer;
        // The answer to a cancelled request says only that its handler has ended.
        answer.get_or_insert_with(|| result.map_or_else(Answer::Error, Answer::Reply));
        self.stop_serving(at, number);
    }

    fn stop_serving(&mut self, at: Endpoint, number: usize) {
        let ledger = self.ledger_mut(at);
        ledger.serving.retain(|&other| other != number);
        ledger.outgoing.push_back(QueuedFrame::Answer(number));
    }

    pub(super) fn sent_go_away(&mut self, end: Endpoint) {
        let ledger = self.ledger_mut(end);
        if !ledger.sent_go_away {
            ledger.sent_go_away = true;
            ledger.outgoing.push_back(QueuedFrame::GoAway);
        }
    }

    /// Records that `end` handled its timeouts, which ended these calls.
    pub(super) fn expired(&mut self, end: Endpoint, now: Instant, events: &[Event<usize>]) -> Verdict {
        let late = |&number: &usize| {
            let request = &self.requests[number];
            !request.ended && request.deadline.is_some_and(|at| at <= now)
        };
        let late = self.in_use(end).iter().copied().filter(late).collect::<Vec<_>>();
        self.ended_here(events, &late, ErrorKind::Timeout)?;
        self.summary.timed_out += late.len() as u64;
        late.into_iter().for_each(|number| self.give_up(number, now));
        Ok(())
    }

    /// Records that the connection of `end` failed, which ended these calls.
    pub(super) fn failed(&mut self, end: Endpoint, events: &[Event<usize>]) -> Verdict {
        let ledger = std::mem::take(self.ledger_mut(end));
        let (sent_go_away, received_go_away) = (ledger.sent_go_away, ledger.received_go_away);
        let open = ledger.in_use.into_iter().filter(|&number| !self.requests[number].ended);
        let open = open.collect::<Vec<_>>();
        self.ended_here(events, &open, ErrorKind::Crashed)?;
        self.summary.failed += open.len() as u64;
        self.summary.endless_go_aways += u64::from(received_go_away && !open.is_empty());
        open.into_iter().for_each(|number| self.requests[number].ended = true);
        *self.ledger_mut(end) = Ledger { sent_go_away, failed: true, ..Ledger::default() };
        Ok(())
    }

    /// Checks that exactly the expected calls ended at their own endpoint, the oldest first.
    fn ended_here(&mut self, events: &[Event<usize>], expected: &[usize], kind: ErrorKind) -> Verdict {
        let ended = events.iter().map(|event| {
            let Some((token, Err(error))) = answer_of(event) else {
                return Err(format!("{event:?} ends no call with an error"));
            };
            ensure!(error.kind() == kind, "{event:?} does not end a call with {kind:?}");
            ensure!(rest_of(event) == self.rest(token), "#{token} ended with other items than arrived");
            let request = self.requests.get_mut(token).ok_or("an unknown call ended")?;
            request.never = error.executed() == Executed::No;
            let expected = if request.sent { Executed::Maybe } else { Executed::No };
            let executed = error.executed();
            ensure!(executed == expected, "#{token} has executed: {executed:?}, expected {expected:?}");
            Ok(token)
        });
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        ensure!(ended == expected, "{kind:?} ended the calls {ended:?}, expected {expected:?}");
        Ok(())
    }
}

/// Items that come with the end of a call. `None` if the event is that of a call without streams.
fn rest_of(event: &Event<usize>) -> Option<Vec<Body>> {
    match event {
        Event::StreamEnded { end, .. } => Some(end.items.iter().cloned().collect()),
        _ => None,
    }
}

/// Token and result of a call that has ended.
fn answer_of(event: &Event<usize>) -> Option<(usize, &Result<Response, Error>)> {
    match event {
        Event::Answered { token, result } => Some((*token, result)),
        Event::StreamEnded { token, end } => Some((*token, &end.result)),
        _ => None,
    }
}
