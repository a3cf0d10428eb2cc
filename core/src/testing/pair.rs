use std::time::{Duration, Instant};

use super::network::Network;
use super::{End, Rng};
use crate::protocol::{Connection, Event};
use crate::{Error, Frame, Request, Response, TxId};

/// Two connections, and between them a network and a clock that stand still until they are told to move on.
///
/// A frame makes its way in two steps, so that a test can put anything between them: [`transmit`](Self::transmit)
/// takes it from a connection, [`deliver`](Self::deliver) hands it to the other one. [`settle`](Self::settle) does
/// both until nothing is left, in an order that the seed decides.
#[derive(Debug)]
pub struct Pair<T> {
    host: Connection<T>,
    worker: Connection<T>,
    network: Network,
    rng: Rng,
    now: Instant,
}

impl<T> Pair<T> {
    /// Two connections on which nothing has happened. What the seed decides: the order in which the two directions
    /// deliver, and how much is lost when the connection breaks.
    pub fn new(seed: u64) -> Self {
        Self {
            host: Connection::new(),
            worker: Connection::new(),
            network: Network::default(),
            rng: Rng::new(seed),
            // Only differences count, so the real time changes nothing.
            now: Instant::now(),
        }
    }

    /// The time of the virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock on. Nothing happens by that alone: see [`expire`](Self::expire).
    ///
    /// # Panics
    /// Where that is past the end of time.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// The pair's random numbers, for what the seed shall decide beyond the pair itself.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The connection of an end.
    pub fn connection(&self, end: End) -> &Connection<T> {
        match end {
            End::Host => &self.host,
            End::Worker => &self.worker,
        }
    }

    /// The connection of an end, to do what the pair does not offer.
    pub fn connection_mut(&mut self, end: End) -> &mut Connection<T> {
        match end {
            End::Host => &mut self.host,
            End::Worker => &mut self.worker,
        }
    }

    /// Starts a call at the present time of the clock.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub fn call(
        &mut self,
        from: End,
        id: TxId,
        request: Request,
        timeout: Option<Duration>,
        token: T,
    ) -> Result<(), Error> {
        let now = self.now;
        let connection = self.connection_mut(from);
        connection.call(id, request, timeout, token)?;
        connection.begin(now);
        Ok(())
    }

    /// Sends a message that nobody answers.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub fn send(&mut self, from: End, id: TxId, request: Request) -> Result<(), Error> {
        self.connection_mut(from).send(id, request)
    }

    /// Gives up a call of `from`, and returns its token if it was in flight.
    pub fn cancel(&mut self, from: End, id: &TxId) -> Option<T> {
        self.connection_mut(from).cancel(id)
    }

    /// Answers a request that `at` has received.
    pub fn answer(&mut self, at: End, id: &TxId, result: Result<Response, Error>) {
        self.connection_mut(at).answer(id, result);
    }

    /// Lets `from` announce that it starts no more calls.
    pub fn send_go_away(&mut self, from: End) {
        self.connection_mut(from).send_go_away(None);
    }

    /// Lets `end` give up the calls whose time is over.
    pub fn expire(&mut self, end: End) -> Vec<Event<T>> {
        let now = self.now;
        self.connection_mut(end).handle_timeout(now)
    }

    /// Takes the next frame from a connection and puts it on its way. Returns a copy; `None` where there was nothing
    /// to send.
    pub fn transmit(&mut self, from: End) -> Option<Frame> {
        let frame = self.connection_mut(from).poll_transmit()?;
        self.network.push(from.other(), frame.clone());
        Some(frame)
    }

    /// Takes the next frame from a connection and gives it back as one that has no encoding, for the reason that
    /// `error` tells.
    pub fn refuse(&mut self, from: End, error: Error) -> Option<Event<T>> {
        let connection = self.connection_mut(from);
        let frame = connection.poll_transmit()?;
        connection.refuse(frame, error)
    }

    /// Puts a frame on its way that the connection of `from` did not make: a ping, or what a bad peer would send.
    pub fn inject(&mut self, from: End, frame: Frame) {
        self.network.push(from.other(), frame);
    }

    /// The frame that `to` receives next.
    pub fn peek(&self, to: End) -> Option<&Frame> {
        self.network.to(to).front()
    }

    /// How many frames are on their way to `to`.
    pub fn on_the_way(&self, to: End) -> usize {
        self.network.to(to).len()
    }

    /// Hands the frame that has been on its way the longest to `to`. `None`: it is no event for the owner, or there
    /// was no frame.
    ///
    /// # Errors
    /// Those of [`Connection::handle_frame`].
    pub fn deliver(&mut self, to: End) -> Result<Option<Event<T>>, Error> {
        match self.network.pop(to) {
            Some(frame) => self.connection_mut(to).handle_frame(frame),
            None => Ok(None),
        }
    }

    /// Transmits and delivers until nothing is left, in a random order of the two directions, and returns what
    /// happened at which end.
    ///
    /// # Errors
    /// The first of [`deliver`](Self::deliver).
    pub fn settle(&mut self) -> Result<Vec<(End, Event<T>)>, Error> {
        let mut events = Vec::new();
        loop {
            for end in End::BOTH {
                while self.transmit(end).is_some() {}
            }
            let ready = End::BOTH.into_iter().filter(|&end| self.on_the_way(end) > 0).collect::<Vec<_>>();
            let Some(end) = self.rng.pick(&ready) else { return Ok(events) };
            events.extend(self.deliver(end)?.map(|event| (end, event)));
        }
    }

    /// Cuts the network: of the frames on their way a random number of the last ones is lost, and all that are
    /// transmitted from now on. The ends do not know it before [`fail`](Self::fail).
    pub fn break_connection(&mut self) {
        self.network.cut(&mut self.rng);
    }

    /// Whether the network was cut.
    pub fn is_broken(&self) -> bool {
        self.network.is_cut()
    }

    /// Lets `end` find its connection of no more use, and returns the ends of its calls.
    pub fn fail(&mut self, end: End, error: impl FnMut(&str) -> Error) -> Vec<Event<T>> {
        self.connection_mut(end).fail(error)
    }
}
