//! The part of the oracle that looks at frames: what leaves an end, and what it does to the other.

use super::{
    Answer, Body, End, Error, ErrorKind, Event, Executed, Frame, Oracle, Outgoing, TxId, Verdict, ensure,
    payload,
};

impl Oracle {
    /// This frame has left `from`: the right one, and only because there was one to leave.
    pub(in super::super) fn transmitted(&mut self, from: End, frame: Option<&Frame>) -> Verdict {
        let expected = self.ledger_mut(from).outgoing.pop_front();
        let right = match (&expected, frame) {
            (None, None) | (Some(Outgoing::Pong), Some(Frame::Pong)) => true,
            (Some(Outgoing::GoAway), Some(Frame::GoAway { .. })) => true,
            (Some(Outgoing::Cancel(expected)), Some(Frame::Cancel { id })) => id == expected,
            (Some(Outgoing::Request(number)), Some(Frame::Request { id, request: sent })) => {
                let request = &mut self.requests[*number];
                request.left = true;
                *id == request.id && *sent.body() == request.body && sent.is_oneway() == request.oneway
            }
            (Some(Outgoing::Answer(number)), Some(frame)) => self.is_answer_to(*number, frame),
            _ => false,
        };
        ensure!(right, "{frame:?} has left, where {expected:?} was right");
        Ok(())
    }

    /// The next frame of `from` as one that can be refused: which request it is or answers.
    pub(in super::super) fn refusable(&self, from: End) -> Option<usize> {
        match *self.ledger(from).outgoing.front()? {
            Outgoing::Request(number) => Some(number),
            Outgoing::Answer(number) => match self.requests[number].answer {
                // The refusal of a refusal is not answered: a call would have no end here.
                Some(Answer::Error(ErrorKind::TooLarge | ErrorKind::Encode)) | None => None,
                Some(_) => Some(number),
            },
            _ => None,
        }
    }

    /// The next frame of `from` had no encoding.
    pub(in super::super) fn refused(
        &mut self,
        from: End,
        kind: ErrorKind,
        event: Option<Event<usize>>,
    ) -> Verdict {
        self.summary.refused_frame += 1;
        match self.ledger_mut(from).outgoing.pop_front() {
            Some(Outgoing::Request(number)) => {
                self.ledger_mut(from).in_use.retain(|&other| other != number);
                let request = &mut self.requests[number];
                request.never = true;
                let ended = std::mem::replace(&mut request.ended, true);
                let expected = if ended { &[][..] } else { &[number] };
                self.ended_here(event.as_slice(), expected, kind)
            }
            Some(Outgoing::Answer(number)) => {
                self.requests[number].answer = Some(Answer::Error(kind));
                self.ledger_mut(from).outgoing.push_back(Outgoing::Answer(number));
                nothing(event)
            }
            other => Err(format!("{other:?} was refused")),
        }
    }

    fn is_answer_to(&self, number: usize, frame: &Frame) -> bool {
        let request = &self.requests[number];
        match (&request.answer, frame) {
            (Some(Answer::Reply(expected)), Frame::Reply { id, response, .. }) => {
                *id == request.id && response.body() == expected
            }
            (Some(Answer::Error(kind)), Frame::Error { id, error, .. }) => {
                *id == request.id && error.code.as_deref() == Some(kind.code())
            }
            (Some(Answer::Cancelled), Frame::Error { id, error, .. }) => {
                *id == request.id && error.code.as_deref() == Some(ErrorKind::Cancelled.code())
            }
            _ => false,
        }
    }

    /// This frame was handed to `to`, and this came of it.
    pub(in super::super) fn delivered(
        &mut self,
        to: End,
        frame: &Frame,
        outcome: Result<Option<Event<usize>>, Error>,
    ) -> Verdict {
        let event = outcome.map_err(|error| format!("a peer that keeps the rules was refused: {error:?}"))?;
        match frame {
            Frame::Request { request, .. } => self.request_arrived(to, request.body(), event),
            Frame::Reply { id, .. } | Frame::Error { id, .. } => self.answer_arrived(to, id, frame, event),
            Frame::Cancel { id } => self.cancel_arrived(to, id, event),
            Frame::Ping => {
                self.summary.pings += 1;
                self.ledger_mut(to).outgoing.push_back(Outgoing::Pong);
                nothing(event)
            }
            Frame::Pong => nothing(event),
            Frame::GoAway { .. } => {
                self.summary.go_aways += 1;
                self.ledger_mut(to).received_go_away = true;
                match event {
                    Some(Event::GoAway { .. }) => Ok(()),
                    other => Err(format!("a goodbye became {other:?}")),
                }
            }
            Frame::Unmarked { .. } => Err("a connection told no kind".to_owned()),
        }
    }

    fn request_arrived(&mut self, to: End, body: &Body, event: Option<Event<usize>>) -> Verdict {
        let Some(Event::Requested(arrived)) = event else {
            return Err(format!("a request became {event:?}"));
        };
        let number = payload::number_of(body).ok_or("a request without a number")?;
        let newest = self.ledger(to).newest;
        ensure!(newest.is_none_or(|newest| newest < number), "#{number} came after {newest:?}");
        let request = self.requests.get_mut(number).ok_or("an unknown request")?;
        let same = arrived.id() == Some(&request.id)
            && *arrived.body() == request.body
            && arrived.is_oneway() == request.oneway;
        ensure!(request.from == to.other() && same, "#{number} changed on its way: {arrived:?}");
        ensure!(!request.never, "#{number} arrived, but its owner was told that it is not run");
        request.seen = true;
        let oneway = request.oneway;
        let ledger = self.ledger_mut(to);
        ledger.newest = Some(number);
        if !oneway {
            ledger.serving.push(number);
        }
        Ok(())
    }

    fn cancel_arrived(&mut self, to: End, id: &TxId, event: Option<Event<usize>>) -> Verdict {
        let Some(number) = self.with_id(self.serving(to), id) else { return nothing(event) };
        ensure!(
            matches!(&event, Some(Event::Cancelled(it)) if it == id),
            "a cancel of {id} became {event:?}"
        );
        self.summary.stopped += 1;
        self.requests[number].answer = Some(Answer::Cancelled);
        self.stop_serving(to, number);
        Ok(())
    }

    fn answer_arrived(&mut self, to: End, id: &TxId, frame: &Frame, event: Option<Event<usize>>) -> Verdict {
        // An answer to nothing is passed over.
        let Some(number) = self.with_id(self.in_use(to), id) else { return nothing(event) };
        ensure!(self.is_answer_to(number, frame), "#{number} got the answer of another call: {frame:?}");
        self.ledger_mut(to).in_use.retain(|&other| other != number);
        let request = &mut self.requests[number];
        ensure!(request.seen, "#{number} was answered unseen");
        if std::mem::replace(&mut request.ended, true) {
            if !matches!(request.answer, Some(Answer::Cancelled)) {
                self.summary.crossed += 1;
            }
            return nothing(event);
        }
        let Some(Event::Answered { token, result }) = event else {
            return Err(format!("the answer to #{number} became {event:?}"));
        };
        ensure!(token == number, "the answer to #{number} went to #{token}");
        match (result, &request.answer) {
            (Ok(response), Some(Answer::Reply(body))) => {
                ensure!(response.body() == body, "#{number} got another reply");
                self.summary.replies += 1;
            }
            (Err(error), Some(Answer::Error(kind))) => {
                let text = error.to_string();
                let own = error.kind() == *kind && text.ends_with(&format!("#{number}"));
                ensure!(own, "#{number} got another error than its {kind:?}: {error:?}");
                // Whoever answers has seen the request; only that there is no handler for it still means `No`.
                let never = error.executed() == Executed::No && *kind != ErrorKind::UnknownMessage;
                ensure!(!never, "#{number} was answered with {kind:?}, which says that it was not run");
                self.summary.errors += 1;
            }
            (result, answer) => return Err(format!("#{number} got {result:?} instead of {answer:?}")),
        }
        Ok(())
    }
}

fn nothing(event: Option<Event<usize>>) -> Verdict {
    ensure!(event.is_none(), "nothing should have come of it, but: {event:?}");
    Ok(())
}
