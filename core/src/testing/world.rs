mod steps;

use std::time::Duration;

use super::ids::Ids;
use super::oracle::{Oracle, Verdict};
use super::trace::Trace;
use super::{Endpoint, Pair, Rng, Summary};
use crate::protocol::Admission;

/// Actions and their relative frequencies.
const ACTIONS: [(Action, u64); 24] = [
    (Action::Call, 16),
    (Action::Send, 2),
    (Action::Finish, 2),
    (Action::SendItem, 12),
    (Action::EndItems, 2),
    (Action::TakeItems, 8),
    (Action::Cancel, 4),
    (Action::Answer, 10),
    (Action::AnswerLate, 1),
    (Action::Transmit, 10),
    (Action::Refuse, 1),
    (Action::Deliver, 10),
    (Action::Advance, 5),
    (Action::Expire, 5),
    (Action::Ping, 1),
    (Action::Freeze, 1),
    (Action::Deafen, 1),
    (Action::Resume, 2),
    (Action::GoAway, 1),
    (Action::Break, 1),
    (Action::Fail, 2),
    (Action::Close, 1),
    (Action::Drop, 1),
    (Action::Stall, 1),
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Call,
    Send,
    /// Finishes a oneway message.
    Finish,
    /// Sends an item of a stream.
    SendItem,
    /// Ends the items of a caller.
    EndItems,
    /// Takes the items that have arrived for a call.
    TakeItems,
    Cancel,
    Answer,
    /// Answers a request that was already cancelled or answered.
    AnswerLate,
    Transmit,
    /// Reports a frame that could not be encoded.
    Refuse,
    Deliver,
    Advance,
    Expire,
    Ping,
    /// Stops an endpoint: it does nothing until it resumes.
    Freeze,
    /// Makes an endpoint stop reading until it resumes.
    Deafen,
    /// Lets a frozen or deaf endpoint continue.
    Resume,
    GoAway,
    Break,
    /// Reports the broken connection to an endpoint.
    Fail,
    /// Closes the connection at one endpoint without waiting for the calls in flight.
    Close,
    /// Drops an endpoint, as when its runtime is dropped: the connection ends without a go-away.
    Drop,
    /// Makes an endpoint send a go-away and not answer its calls. The other endpoint gives up.
    Stall,
}

/// Abilities of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Running,
    /// Does everything except reading.
    Deaf,
    Frozen,
}

/// State of a simulation: the pair, the id generators of both endpoints and the oracle that checks
/// the pair.
#[derive(Debug)]
pub(super) struct World<'a> {
    pair: Pair<usize>,
    oracle: Oracle,
    host_ids: Ids,
    worker_ids: Ids,
    host_mode: Mode,
    worker_mode: Mode,
    /// Number of frames in transit at which an endpoint cannot transmit.
    capacity: usize,
    odds: [(Action, u64); ACTIONS.len()],
    trace: &'a mut Trace,
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, trace: &'a mut Trace) -> Self {
        let mut pair = Pair::new(seed);
        let rng = pair.rng();
        let (host_ids, worker_ids) = (Ids::random(rng), Ids::random(rng));
        // Frequencies vary by seed, so that an action that is rare in most scenarios is common in
        // some.
        let odds = ACTIONS.map(|(action, odds)| match action {
            // A frozen endpoint must resume, or the rest of the scenario would be empty.
            Action::Call | Action::Resume => (action, odds),
            Action::GoAway | Action::Break | Action::Close | Action::Drop => {
                (action, odds * u64::from(rng.chance(15)))
            }
            _ => (action, odds * rng.below(4)),
        });
        let capacity = if rng.chance(50) { 1 + rng.below(8) as usize } else { usize::MAX };
        // Little room, so that it is often used up.
        let admissions = rng.chance(70).then(|| (little_room(rng), little_room(rng)));
        if let Some((host, worker)) = admissions {
            pair = pair.with_admissions(host, worker);
        }
        let calls_after_go_away = pair.rng().chance(50);
        if calls_after_go_away {
            pair = pair.with_calls_after_go_away();
        }
        Self {
            pair,
            oracle: Oracle::new(admissions, calls_after_go_away),
            host_ids,
            worker_ids,
            host_mode: Mode::Running,
            worker_mode: Mode::Running,
            capacity,
            odds,
            trace,
        }
    }

    pub(super) fn run(mut self) -> Result<Summary, String> {
        for _ in 0..20 + self.rng().below(180) {
            let action = self.choose();
            let end = if self.rng().chance(60) { Endpoint::Host } else { Endpoint::Worker };
            self.act(action, end)?;
        }
        (self.host_mode, self.worker_mode) = (Mode::Running, Mode::Running);
        if self.pair.is_broken() {
            Endpoint::BOTH.into_iter().try_for_each(|end| self.fail(end))?;
        } else {
            self.flow()?;
            self.drain()?;
        }
        // A late wake-up must do no harm.
        self.advance(Duration::from_secs(24 * 60 * 60))?;
        for end in Endpoint::BOTH {
            self.expire(end)?;
            self.transmit(end)?;
            if self.pair.connection(end).poll_timeout().is_some() {
                return Err(format!("{end}: poll_timeout() returns a time, but no call is left"));
            }
        }
        self.oracle.finish(!self.pair.is_broken())?;
        Ok(self.oracle.summary)
    }

    fn rng(&mut self) -> &mut Rng {
        self.pair.rng()
    }

    fn choose(&mut self) -> Action {
        let sum = self.odds.iter().map(|(_, odds)| odds).sum();
        let mut at = self.rng().below(sum);
        for (action, odds) in self.odds {
            match at.checked_sub(odds) {
                Some(rest) => at = rest,
                None => return action,
            }
        }
        unreachable!("the number is below the sum of the odds")
    }

    fn mode(&mut self, end: Endpoint) -> &mut Mode {
        match end {
            Endpoint::Host => &mut self.host_mode,
            Endpoint::Worker => &mut self.worker_mode,
        }
    }

    fn act(&mut self, action: Action, end: Endpoint) -> Verdict {
        let needs_end = !matches!(action, Action::Advance | Action::Break | Action::Resume);
        if needs_end && *self.mode(end) == Mode::Frozen {
            return Ok(());
        }
        match action {
            Action::Call => self.call(end, false),
            Action::Send => self.call(end, true),
            Action::Finish => self.finish_oneway(end),
            Action::SendItem => self.repeat(|world| world.send_item(end)),
            Action::EndItems => self.end_items(end),
            Action::TakeItems => self.repeat(|world| world.take_items(end).map(|()| true)),
            Action::Cancel => self.cancel(end),
            Action::Answer => self.answer(end),
            Action::AnswerLate => self.answer_late(end),
            // Runs at least once, because an empty queue is checked too.
            Action::Transmit => self.repeat(|world| {
                let more = world.oracle.has_to_transmit(end);
                world.transmit(end).map(|()| more)
            }),
            Action::Refuse => self.refuse(end),
            Action::Deliver if *self.mode(end) == Mode::Deaf => Ok(()),
            Action::Deliver => self.repeat(|world| {
                let more = world.pair.in_transit(end) > 0;
                world.deliver(end).map(|()| more)
            }),
            Action::Advance => {
                let by = self.pause();
                self.advance(by)
            }
            Action::Expire => self.expire(end),
            Action::Ping => self.repeat(|world| world.ping(end).map(|()| true)),
            Action::Freeze => self.set_mode(end, Mode::Frozen),
            Action::Deafen => self.set_mode(end, Mode::Deaf),
            Action::Resume => self.set_mode(end, Mode::Running),
            Action::GoAway => self.send_go_away(end),
            Action::Break => self.break_connection(),
            Action::Fail if self.pair.is_broken() => self.fail(end),
            Action::Fail => Ok(()),
            Action::Close => self.close(end),
            Action::Drop => self.drop_endpoint(end),
            Action::Stall if *self.mode(end.other()) == Mode::Running => self.stall(end),
            Action::Stall => Ok(()),
        }
    }

    /// Repeats `step` until it returns `false`, at most a few times.
    fn repeat(&mut self, mut step: impl FnMut(&mut Self) -> Result<bool, String>) -> Verdict {
        for _ in 0..1 + self.rng().below(6) {
            if !step(self)? {
                break;
            }
        }
        Ok(())
    }

    /// Moves items and their credit in the streams that are open.
    fn flow(&mut self) -> Verdict {
        for _ in 0..self.rng().below(8) {
            for end in Endpoint::BOTH {
                self.repeat(|world| world.send_item(end))?;
                self.take_items(end)?;
                while self.oracle.has_to_transmit(end) && !self.is_blocked(end) {
                    self.transmit(end)?;
                }
                while self.pair.in_transit(end) > 0 {
                    self.deliver(end)?;
                }
            }
        }
        Ok(())
    }

    /// Answers, transmits and delivers until nothing is left to do.
    fn drain(&mut self) -> Verdict {
        loop {
            let before = self.oracle.summary.steps;
            for end in Endpoint::BOTH {
                while !self.oracle.serving(end).is_empty() {
                    self.answer(end)?;
                }
                while !self.oracle.unfinished(end).is_empty() {
                    self.finish_oneway(end)?;
                }
                while self.oracle.has_to_transmit(end) && !self.is_blocked(end) {
                    self.transmit(end)?;
                }
                while self.pair.in_transit(end) > 0 {
                    self.deliver(end)?;
                }
            }
            if self.oracle.summary.steps == before {
                return Ok(());
            }
        }
    }
}

fn little_room(rng: &mut Rng) -> Admission {
    Admission {
        requests: 1 + rng.below(8) as usize,
        request_bytes: 1 + rng.below(200) as usize,
        oneway_bytes: Admission::MIN_ONEWAY_BYTES * (1 + rng.below(4) as usize),
        item_bytes: 1 + rng.below(300) as usize,
    }
}
