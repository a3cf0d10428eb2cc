mod steps;

use std::time::Duration;

use super::ids::Ids;
use super::oracle::{Oracle, Verdict};
use super::trace::Trace;
use super::{End, Pair, Rng, Summary};

/// What may be done next, and how often in proportion.
const ACTIONS: [(Action, u64); 15] = [
    (Action::Call, 16),
    (Action::Send, 2),
    (Action::Cancel, 4),
    (Action::Answer, 10),
    (Action::AnswerLate, 1),
    (Action::Transmit, 10),
    (Action::Refuse, 1),
    (Action::Deliver, 10),
    (Action::Advance, 5),
    (Action::Expire, 5),
    (Action::Ping, 1),
    (Action::GoAway, 1),
    (Action::Break, 1),
    (Action::Fail, 2),
    (Action::Close, 1),
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Call,
    Send,
    Cancel,
    Answer,
    /// What has been cancelled or answered already.
    AnswerLate,
    Transmit,
    /// To encode a frame.
    Refuse,
    Deliver,
    Advance,
    Expire,
    Ping,
    GoAway,
    Break,
    /// Find the connection broken.
    Fail,
    /// Break it off.
    Close,
}

/// The pair, those who use it, and the oracle that looks on.
#[derive(Debug)]
pub(super) struct World<'a> {
    pair: Pair<usize>,
    oracle: Oracle,
    host_ids: Ids,
    worker_ids: Ids,
    odds: [(Action, u64); ACTIONS.len()],
    trace: &'a mut Trace,
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, trace: &'a mut Trace) -> Self {
        let mut pair = Pair::new(seed);
        let rng = pair.rng();
        let (host_ids, worker_ids) = (Ids::random(rng), Ids::random(rng));
        // Each seed has habits of its own: what is rare in most is common in some.
        let odds = ACTIONS.map(|(action, odds)| match action {
            Action::Call => (action, odds),
            Action::GoAway | Action::Break | Action::Close => (action, odds * u64::from(rng.chance(15))),
            _ => (action, odds * rng.below(4)),
        });
        Self { pair, oracle: Oracle::default(), host_ids, worker_ids, odds, trace }
    }

    pub(super) fn run(mut self) -> Result<Summary, String> {
        for _ in 0..20 + self.rng().below(180) {
            let action = self.choose();
            let end = if self.rng().chance(60) { End::Host } else { End::Worker };
            self.act(action, end)?;
        }
        if self.pair.is_broken() {
            End::BOTH.into_iter().try_for_each(|end| self.fail(end))?;
        } else {
            self.drain()?;
        }
        // Whatever a connection still wants to be woken for must do no harm.
        self.advance(Duration::from_secs(24 * 60 * 60))?;
        for end in End::BOTH {
            self.expire(end)?;
            self.transmit(end)?;
            if self.pair.connection(end).poll_timeout().is_some() {
                return Err(format!("{end}: poll_timeout() wants to be woken with no call left"));
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
        unreachable!("a number below the sum lies in one of its parts")
    }

    fn act(&mut self, action: Action, end: End) -> Verdict {
        match action {
            Action::Call => self.call(end, false),
            Action::Send => self.call(end, true),
            Action::Cancel => self.cancel(end),
            Action::Answer => self.answer(end),
            Action::AnswerLate => self.answer_late(end),
            // Once at least, because to have nothing to send is checked, too.
            Action::Transmit => self.a_few_times(|world| {
                let more = world.oracle.has_to_transmit(end);
                world.transmit(end).map(|()| more)
            }),
            Action::Refuse => self.refuse(end),
            Action::Deliver => self.a_few_times(|world| {
                let more = world.pair.on_the_way(end) > 0;
                world.deliver(end).map(|()| more)
            }),
            Action::Advance => {
                let by = self.pause();
                self.advance(by)
            }
            Action::Expire => self.expire(end),
            Action::Ping => self.ping(end),
            Action::GoAway => self.send_go_away(end),
            Action::Break => self.break_connection(),
            Action::Fail if self.pair.is_broken() => self.fail(end),
            Action::Fail => Ok(()),
            Action::Close => self.close(end),
        }
    }

    /// Until `step` returns that there is no more to do, or a few times.
    fn a_few_times(&mut self, mut step: impl FnMut(&mut Self) -> Result<bool, String>) -> Verdict {
        for _ in 0..1 + self.rng().below(6) {
            if !step(self)? {
                break;
            }
        }
        Ok(())
    }

    /// Delivers and answers until there is nothing left to do.
    fn drain(&mut self) -> Verdict {
        loop {
            let before = self.oracle.summary.steps;
            for end in End::BOTH {
                while !self.oracle.serving(end).is_empty() {
                    self.answer(end)?;
                }
                while self.oracle.has_to_transmit(end) {
                    self.transmit(end)?;
                }
                while self.pair.on_the_way(end) > 0 {
                    self.deliver(end)?;
                }
            }
            if self.oracle.summary.steps == before {
                return Ok(());
            }
        }
    }
}
