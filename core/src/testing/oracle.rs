//! What must be true of two connections, from their documentation and not from their code: every request is followed
//! from its call to its end, and both ends are held against it at every step.

mod arrival;
mod audit;
mod ledger;

use std::time::Instant;

use self::ledger::{Answer, Ledger, Outgoing, Tracked};
use super::{End, Summary, payload};
use crate::protocol::{Connection, Event};
use crate::{Body, Error, ErrorKind, Executed, Frame, TxId};

/// `Err`: which rule was broken.
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
    pub(super) summary: Summary,
}

impl Oracle {
    fn ledger(&self, end: End) -> &Ledger {
        match end {
            End::Host => &self.host,
            End::Worker => &self.worker,
        }
    }

    fn ledger_mut(&mut self, end: End) -> &mut Ledger {
        match end {
            End::Host => &mut self.host,
            End::Worker => &mut self.worker,
        }
    }

    /// The number of the next request that is accepted.
    pub(super) fn next_number(&self) -> usize {
        self.requests.len()
    }

    /// The id of an accepted request.
    pub(super) fn id(&self, number: usize) -> &TxId {
        &self.requests[number].id
    }

    /// The id of this request, where `at` has seen it and has nothing of that id left to answer.
    pub(super) fn finished_id(&self, at: End, number: usize) -> Option<&TxId> {
        let request = self.requests.get(number)?;
        let over = request.from == at.other() && request.seen;
        (over && self.with_id(self.serving(at), &request.id).is_none()).then_some(&request.id)
    }

    /// The calls of `end` whose ids are in use.
    pub(super) fn in_use(&self, end: End) -> &[usize] {
        &self.ledger(end).in_use
    }

    /// The requests that `end` has to answer.
    pub(super) fn serving(&self, end: End) -> &[usize] {
        &self.ledger(end).serving
    }

    pub(super) fn has_failed(&self, end: End) -> bool {
        self.ledger(end).failed
    }

    pub(super) fn has_to_transmit(&self, end: End) -> bool {
        !self.ledger(end).outgoing.is_empty()
    }

    fn with_id(&self, numbers: &[usize], id: &TxId) -> Option<usize> {
        numbers.iter().copied().find(|&number| self.requests[number].id == *id)
    }

    /// `from` has called, or sent a oneway message.
    pub(super) fn called(
        &mut self,
        (from, id, body): (End, TxId, Body),
        deadline: Option<Instant>,
        oneway: bool,
        result: &Result<(), Error>,
    ) -> Verdict {
        let ledger = self.ledger(from);
        let expected = if ledger.sent_go_away || ledger.received_go_away || ledger.failed {
            self.summary.refused_closed += 1;
            Some(ErrorKind::Closed)
        } else if !oneway && self.with_id(&ledger.in_use, &id).is_some() {
            self.summary.refused_duplicate += 1;
            Some(ErrorKind::DuplicateId)
        } else {
            None
        };
        let refused = result.as_ref().err();
        let kind = refused.map(Error::kind);
        ensure!(kind == expected, "refused with {kind:?}, where {expected:?} was right");
        if let Some(error) = refused {
            let executed = error.executed();
            ensure!(executed == Executed::No, "a refused request says executed: {executed:?}");
            return Ok(());
        }
        let number = self.next_number();
        self.requests.push(Tracked {
            from,
            id,
            oneway,
            body,
            deadline,
            left: false,
            seen: false,
            never: false,
            ended: oneway,
            answer: None,
        });
        let ledger = self.ledger_mut(from);
        ledger.outgoing.push_back(Outgoing::Request(number));
        if oneway {
            self.summary.oneways += 1;
        } else {
            ledger.in_use.push(number);
            self.summary.calls += 1;
        }
        Ok(())
    }

    /// `end` has given a call up and got this token back.
    pub(super) fn cancelled(&mut self, end: End, id: &TxId, token: Option<usize>) -> Verdict {
        let known = self.with_id(self.in_use(end), id);
        let expected = known.filter(|&number| !self.requests[number].ended);
        ensure!(token == expected, "the cancel of {id} returned {token:?}, where {expected:?} was right");
        if let Some(number) = token {
            self.summary.cancelled += 1;
            self.give_up(number);
        }
        Ok(())
    }

    /// A request that has not left never leaves; of one that has, the other end is told, and the id stays in use.
    fn give_up(&mut self, number: usize) {
        let request = &mut self.requests[number];
        request.ended = true;
        let (from, left) = (request.from, request.left);
        if left {
            let cancel = Outgoing::Cancel(request.id.clone());
            self.ledger_mut(from).outgoing.push_back(cancel);
        } else {
            request.never = true;
            self.summary.retracted += 1;
            let ledger = self.ledger_mut(from);
            ledger.in_use.retain(|&other| other != number);
            ledger.outgoing.retain(|frame| *frame != Outgoing::Request(number));
        }
    }

    /// `at` has answered a request.
    pub(super) fn answered(&mut self, at: End, number: usize, result: Result<Body, ErrorKind>) {
        self.requests[number].answer = Some(result.map_or_else(Answer::Error, Answer::Reply));
        self.stop_serving(at, number);
    }

    fn stop_serving(&mut self, at: End, number: usize) {
        let ledger = self.ledger_mut(at);
        ledger.serving.retain(|&other| other != number);
        ledger.outgoing.push_back(Outgoing::Answer(number));
    }

    pub(super) fn sent_go_away(&mut self, end: End) {
        let ledger = self.ledger_mut(end);
        if !ledger.sent_go_away {
            ledger.sent_go_away = true;
            ledger.outgoing.push_back(Outgoing::GoAway);
        }
    }

    /// Time has gone by at `end`, and these calls were given up.
    pub(super) fn expired(&mut self, end: End, now: Instant, events: &[Event<usize>]) -> Verdict {
        let late = |&number: &usize| {
            let request = &self.requests[number];
            !request.ended && request.deadline.is_some_and(|at| at <= now)
        };
        let late = self.in_use(end).iter().copied().filter(late).collect::<Vec<_>>();
        self.ended_here(events, &late, ErrorKind::Timeout)?;
        self.summary.timed_out += late.len() as u64;
        late.into_iter().for_each(|number| self.give_up(number));
        Ok(())
    }

    /// `end` was told that its connection is of no more use, and these calls ended.
    pub(super) fn failed(&mut self, end: End, events: &[Event<usize>]) -> Verdict {
        let ledger = std::mem::take(self.ledger_mut(end));
        let sent_go_away = ledger.sent_go_away;
        let open = ledger.in_use.into_iter().filter(|&number| !self.requests[number].ended);
        let open = open.collect::<Vec<_>>();
        self.ended_here(events, &open, ErrorKind::Crashed)?;
        self.summary.failed += open.len() as u64;
        open.into_iter().for_each(|number| self.requests[number].ended = true);
        *self.ledger_mut(end) = Ledger { sent_go_away, failed: true, ..Ledger::default() };
        Ok(())
    }

    /// Exactly these calls have ended without the other end's doing, the oldest first.
    fn ended_here(&mut self, events: &[Event<usize>], expected: &[usize], kind: ErrorKind) -> Verdict {
        let ended = events.iter().map(|event| match event {
            Event::Answered { token, result: Err(error) } if error.kind() == kind => {
                let request = self.requests.get_mut(*token).ok_or("an end of an unknown call")?;
                request.never = error.executed() == Executed::No;
                let rightly = if request.left { Executed::Maybe } else { Executed::No };
                let executed = error.executed();
                ensure!(executed == rightly, "#{token} says executed: {executed:?}, not {rightly:?}");
                Ok(*token)
            }
            other => Err(format!("{other:?} is no end of a call with {kind:?}")),
        });
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        ensure!(ended == expected, "{kind:?} ended the calls {ended:?}, where {expected:?} was right");
        Ok(())
    }
}
