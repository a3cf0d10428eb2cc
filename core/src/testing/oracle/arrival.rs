//! Checks of the frames that leave an endpoint, and of their effect on the other endpoint.

use super::{
    Answer, Body, Endpoint, Error, ErrorKind, Event, Executed, Frame, Instant, Ledger, Oracle, QueuedFrame,
    Role, TxId, Verdict, ensure, payload, rest_of,
};

impl Oracle {
    /// Checks the frame that left `from`. `None`: checks that `from` had nothing to send.
    pub(in super::super) fn transmitted(&mut self, from: Endpoint, frame: Option<&Frame>) -> Verdict {
        self.queue_held(from);
        let expected = self.ledger_mut(from).pop();
        let right = match (&expected, frame) {
            (None, None) | (Some(QueuedFrame::Pong), Some(Frame::Pong)) => true,
            (Some(QueuedFrame::GoAway), Some(Frame::GoAway(_))) => true,
            (Some(QueuedFrame::Credit(expected)), Some(Frame::Credit { bytes })) => bytes == expected,
            (Some(QueuedFrame::Cancel(expected)), Some(Frame::Cancel { id })) => id == expected,
            (Some(QueuedFrame::Request(number)), Some(Frame::Request { id, request: sent })) => {
                let request = &mut self.requests[*number];
                request.sent = true;
                *id == request.id && *sent.body() == request.body && sent.is_oneway() == request.oneway
            }
            (Some(QueuedFrame::Answer(number)), Some(frame)) => self.is_answer_to(*number, frame),
            (Some(QueuedFrame::Item(number, role, index)), Some(Frame::Item { id, from: by, body })) => {
                let item = self.flow(*number, *role).items.get(*index);
                *id == self.requests[*number].id && by == role && item == Some(&**body)
            }
            (Some(QueuedFrame::ItemsEnd(number)), Some(Frame::ItemsEnd { id })) => {
                *id == self.requests[*number].id
            }
            (Some(QueuedFrame::ItemCredit(number, role, expected)), Some(frame)) => {
                let right_id = |id: &TxId| *id == self.requests[*number].id;
                matches!(frame, Frame::ItemCredit { id, from, bytes } if right_id(id) && from == role && bytes == expected)
            }
            _ => false,
        };
        ensure!(right, "sent {frame:?}, expected {expected:?}");
        Ok(())
    }

    /// Number of the request that the next frame of `from` starts or answers. `None` if the
    /// simulation must not refuse to encode that frame.
    pub(in super::super) fn refusable(&self, from: Endpoint) -> Option<usize> {
        let Some(frame) = self.ledger(from).outgoing.front() else {
            // A held call is queued first.
            return self.ledger(from).held.front().copied().filter(|_| self.has_to_transmit(from));
        };
        match *frame {
            QueuedFrame::Request(number) | QueuedFrame::Item(number, ..) => Some(number),
            QueuedFrame::Answer(number) => match self.requests[number].answer {
                // If an encode error cannot be encoded either, nothing is sent, so the call would
                // never end in a simulation.
                Some(Answer::Error(ErrorKind::TooLarge | ErrorKind::Encode)) | None => None,
                Some(_) => Some(number),
            },
            _ => None,
        }
    }

    /// Checks the effect of a frame of `from` that could not be encoded.
    pub(in super::super) fn refused(
        &mut self,
        from: Endpoint,
        kind: ErrorKind,
        now: Instant,
        event: Option<Event<usize>>,
    ) -> Verdict {
        self.summary.refused_frame += 1;
        self.queue_held(from);
        match self.ledger_mut(from).pop() {
            Some(QueuedFrame::Request(number)) => {
                let cost = if self.requests[number].oneway { self.oneway_cost(number) } else { 0 };
                let ledger = self.ledger_mut(from);
                ledger.oneway_cost -= cost;
                ledger.in_use.retain(|&other| other != number);
                let request = &mut self.requests[number];
                request.never = true;
                let ended = std::mem::replace(&mut request.ended, true);
                self.remove_items(from, Role::Caller, number);
                let expected = if ended { &[][..] } else { &[number] };
                self.ended_here(event.as_slice(), expected, kind)
            }
            Some(QueuedFrame::Answer(number)) => {
                self.requests[number].answer = Some(Answer::Error(kind));
                self.ledger_mut(from).outgoing.push_back(QueuedFrame::Answer(number));
                nothing(event)
            }
            Some(QueuedFrame::Item(number, Role::Caller, _)) => {
                self.remove_items(from, Role::Caller, number);
                let ended = std::mem::replace(&mut self.requests[number].ended, true);
                let expected = if ended { &[][..] } else { &[number] };
                self.ended_here(event.as_slice(), expected, kind)?;
                if !ended {
                    self.give_up(number, now);
                }
                Ok(())
            }
            Some(QueuedFrame::Item(number, Role::Callee, _)) => {
                self.remove_items(from, Role::Callee, number);
                if self.ledger(from).outgoing.contains(&QueuedFrame::Answer(number)) {
                    self.requests[number].answer = Some(Answer::Error(kind));
                } else if self.is_open(from, Role::Callee, number) {
                    self.requests[number].answer = Some(Answer::Error(kind));
                    self.set_ready(from, Role::Callee, number);
                }
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

    /// Checks the effect of a frame that was delivered to `to`.
    pub(in super::super) fn delivered(
        &mut self,
        to: Endpoint,
        frame: &Frame,
        outcome: Result<Option<Event<usize>>, Error>,
    ) -> Verdict {
        let event = outcome.map_err(|error| format!("a correct peer was refused: {error:?}"))?;
        match frame {
            Frame::Request { request, .. } => self.request_arrived(to, request.body(), event),
            Frame::Reply { id, .. } | Frame::Error { id, .. } => self.answer_arrived(to, id, frame, event),
            Frame::Cancel { id } => self.cancel_arrived(to, id, event),
            Frame::Ping => {
                self.summary.pings += 1;
                // One pong answers all pings before it.
                let outgoing = &mut self.ledger_mut(to).outgoing;
                if !outgoing.contains(&QueuedFrame::Pong) {
                    outgoing.push_back(QueuedFrame::Pong);
                }
                nothing(event)
            }
            Frame::Pong => nothing(event),
            Frame::Credit { bytes } => {
                self.summary.credits += 1;
                let ledger = self.ledger_mut(to);
                let rest =
                    usize::try_from(*bytes).ok().and_then(|bytes| ledger.oneway_cost.checked_sub(bytes));
                ledger.oneway_cost = rest.ok_or("credit for more than was sent")?;
                nothing(event)
            }
            Frame::GoAway(_) => {
                self.summary.go_aways += 1;
                self.ledger_mut(to).received_go_away = true;
                match event {
                    Some(Event::GoAway(_)) => Ok(()),
                    other => Err(format!("a go-away became {other:?}")),
                }
            }
            Frame::Item { id, from, body } => {
                nothing(event)?;
                self.item_arrived(to, id, *from, body)
            }
            Frame::ItemsEnd { id } => {
                nothing(event)?;
                self.items_end_arrived(to, id)
            }
            Frame::ItemCredit { id, from, bytes } => {
                nothing(event)?;
                self.item_credit_arrived(to, id, *from, *bytes)
            }
            Frame::Unmarked { .. } => Err("a connection sent a frame without a kind".to_owned()),
        }
    }

    fn request_arrived(&mut self, to: Endpoint, body: &Body, event: Option<Event<usize>>) -> Verdict {
        let Some(Event::Requested(arrived)) = event else {
            return Err(format!("a request became {event:?}"));
        };
        let number = payload::number_of(body).ok_or("a request without a number")?;
        let oneway = arrived.is_oneway();
        let Ledger { newest_call, newest_oneway, .. } = self.ledger_mut(to);
        let newest = if oneway { newest_oneway } else { newest_call };
        let before = newest.replace(number);
        ensure!(before.is_none_or(|before| before < number), "#{number} came after {before:?}");
        let request = self.requests.get_mut(number).ok_or("an unknown request")?;
        let same =
            arrived.id() == Some(&request.id) && *arrived.body() == request.body && oneway == request.oneway;
        ensure!(request.from == to.other() && same, "#{number} changed on its way: {arrived:?}");
        ensure!(!request.never, "#{number} arrived, but its owner got `Executed::No`");
        request.seen = true;
        let ledger = self.ledger_mut(to);
        if oneway {
            ledger.unfinished.push(number);
        } else {
            ledger.serving.push(number);
        }
        self.is_admitted(to, number, oneway)
    }

    /// Checks that `to` has no more than it takes. The last request may exceed the bytes.
    fn is_admitted(&self, to: Endpoint, number: usize, oneway: bool) -> Verdict {
        let (taken, ledger) = (self.admission(to), self.ledger(to));
        if oneway {
            let before = ledger.unfinished.iter().filter(|&&other| other != number);
            let cost = before.map(|&number| self.oneway_cost(number)).sum::<usize>();
            ensure!(cost < taken.oneway_bytes, "{to} took #{number}, and oneway messages that count {cost}");
            return Ok(());
        }
        let before = ledger.serving.iter().filter(|&&other| other != number);
        let bytes = before.clone().map(|&number| self.bytes(number)).sum::<usize>();
        ensure!(bytes < taken.request_bytes, "{to} took #{number}, and requests of {bytes} bytes");
        ensure!(before.count() < taken.requests, "{to} took #{number}, and as many requests as it takes");
        Ok(())
    }

    fn cancel_arrived(&mut self, to: Endpoint, id: &TxId, event: Option<Event<usize>>) -> Verdict {
        let Some(number) = self.with_id(self.serving(to), id) else { return nothing(event) };
        ensure!(
            matches!(&event, Some(Event::Cancelled(it)) if it == id),
            "a cancel of {id} became {event:?}"
        );
        self.summary.stopped += 1;
        self.requests[number].answer = Some(Answer::Cancelled);
        Ok(())
    }

    fn answer_arrived(
        &mut self,
        to: Endpoint,
        id: &TxId,
        frame: &Frame,
        event: Option<Event<usize>>,
    ) -> Verdict {
        // An answer to an unknown call is ignored.
        let Some(number) = self.with_id(self.in_use(to), id) else { return nothing(event) };
        ensure!(self.is_answer_to(number, frame), "#{number} got the answer of another call: {frame:?}");
        self.ledger_mut(to).in_use.retain(|&other| other != number);
        self.remove_items(to, Role::Caller, number);
        let request = &mut self.requests[number];
        ensure!(request.seen, "#{number} was answered before it arrived");
        if std::mem::replace(&mut request.ended, true) {
            if !matches!(request.answer, Some(Answer::Cancelled)) {
                self.summary.crossed += 1;
            }
            return nothing(event);
        }
        let rest = event.as_ref().and_then(rest_of);
        ensure!(rest == self.rest(number), "#{number} was answered with other items than arrived");
        let flow = self.flow(number, Role::Callee);
        let is_whole = flow.arrived == flow.items.len();
        let (token, result) = match event {
            Some(Event::Answered { token, result }) => (token, result),
            Some(Event::StreamEnded { token, end }) => (token, end.result),
            event => return Err(format!("the answer to #{number} became {event:?}")),
        };
        let request = &self.requests[number];
        ensure!(is_whole || result.is_err(), "#{number} was answered before its last item");
        ensure!(token == number, "the answer to #{number} went to #{token}");
        match (result, &request.answer) {
            (Ok(response), Some(Answer::Reply(body))) => {
                ensure!(response.body() == body, "#{number} got another reply");
                self.summary.replies += 1;
            }
            (Err(error), Some(Answer::Error(kind))) => {
                let text = error.to_string();
                let matches = error.kind() == *kind && text.ends_with(&format!("#{number}"));
                ensure!(matches, "#{number} got another error than its {kind:?}: {error:?}");
                // An answer proves that the request arrived. Only the error for a missing handler
                // still means `No`.
                let never = error.executed() == Executed::No && *kind != ErrorKind::UnknownMessage;
                ensure!(!never, "#{number} was answered with {kind:?} and has `Executed::No`");
                self.summary.errors += 1;
            }
            (result, answer) => return Err(format!("#{number} got {result:?} instead of {answer:?}")),
        }
        Ok(())
    }
}

fn nothing(event: Option<Event<usize>>) -> Verdict {
    ensure!(event.is_none(), "expected no event, got {event:?}");
    Ok(())
}
