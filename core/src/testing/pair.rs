use std::time::{Duration, Instant};

use super::network::Network;
use super::{Endpoint, Rng};
use crate::protocol::{Admission, Connection, Event};
use crate::{Error, Frame, GoAway, Request, Response, TxId};

/// Pair of connections with a network and a clock that the test advances.
///
/// A frame is sent in two steps: [`transmit`](Self::transmit) takes it from a connection, and
/// [`deliver`](Self::deliver) passes it to the other connection. A test can act in between.
/// [`settle`](Self::settle) does both until no frame is left, in an order that the seed determines.
#[derive(Debug)]
pub struct Pair<T> {
    host: Connection<T>,
    worker: Connection<T>,
    network: Network,
    rng: Rng,
    now: Instant,
}

impl<T> Pair<T> {
    /// Creates two connections without calls. The seed determines the order of delivery between the
    /// two directions, and the number of frames lost when the connection breaks.
    pub fn new(seed: u64) -> Self {
        Self {
            host: Connection::new(),
            worker: Connection::new(),
            network: Network::default(),
            rng: Rng::new(seed),
            // Only differences matter, so the real time has no effect.
            now: Instant::now(),
        }
    }

    /// Announces to each side what the other takes.
    #[must_use]
    pub fn with_admissions(self, host: Admission, worker: Admission) -> Self {
        let connections =
            (Connection::with_admission(host, worker), Connection::with_admission(worker, host));
        Self { host: connections.0, worker: connections.1, ..self }
    }

    /// Allows calls of the worker after a go-away.
    #[must_use]
    pub fn with_calls_after_go_away(mut self) -> Self {
        self.worker.set_calls_after_go_away(true);
        self
    }

    /// Time of the virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Advances the clock. Calls expire only in [`expire`](Self::expire).
    ///
    /// # Panics
    /// If the new time is beyond the range of `Instant`.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Random number generator of the pair, for choices of the test that the seed should determine.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Connection of this endpoint.
    pub fn connection(&self, end: Endpoint) -> &Connection<T> {
        match end {
            Endpoint::Host => &self.host,
            Endpoint::Worker => &self.worker,
        }
    }

    /// Connection of this endpoint, mutable, for operations that `Pair` does not offer.
    pub fn connection_mut(&mut self, end: Endpoint) -> &mut Connection<T> {
        match end {
            Endpoint::Host => &mut self.host,
            Endpoint::Worker => &mut self.worker,
        }
    }

    /// Starts a call and its timeout.
    ///
    /// # Errors
    /// The errors of [`Connection::call`].
    pub fn call(
        &mut self,
        from: Endpoint,
        id: TxId,
        request: Request,
        timeout: Option<Duration>,
        token: T,
    ) -> Result<(), Error> {
        let now = self.now;
        let connection = self.connection_mut(from);
        connection.call(id, request, timeout, token)?;
        connection.start_timeouts(now);
        Ok(())
    }

    /// Sends a oneway message.
    ///
    /// # Errors
    /// The errors of [`Connection::send`].
    pub fn send(&mut self, from: Endpoint, id: TxId, request: Request) -> Result<(), Error> {
        self.connection_mut(from).send(id, request)
    }

    /// Cancels a call of `from`. Returns its token if the call was in flight.
    pub fn cancel(&mut self, from: Endpoint, id: &TxId) -> Option<T> {
        let now = self.now;
        self.connection_mut(from).cancel(id, now)
    }

    /// Answers a request that `at` received.
    pub fn answer(&mut self, at: Endpoint, id: &TxId, result: Result<Response, Error>) {
        let result = result.map_err(|error| Box::new(error.to_remote()));
        self.connection_mut(at).answer(id, result);
    }

    /// Sends a go-away from `from` that ends the connection.
    pub fn send_go_away(&mut self, from: Endpoint) {
        self.connection_mut(from).send_go_away(GoAway::End);
    }

    /// Ends the calls of `end` that have timed out. Returns their events.
    pub fn expire(&mut self, end: Endpoint) -> Vec<Event<T>> {
        let now = self.now;
        self.connection_mut(end).handle_timeout(now)
    }

    /// Moves the next frame from a connection to the network. Returns a copy, or `None` if there is
    /// no frame.
    pub fn transmit(&mut self, from: Endpoint) -> Option<Frame> {
        let frame = self.connection_mut(from).poll_transmit()?;
        self.network.push(from.other(), frame.clone());
        Some(frame)
    }

    /// Takes the next frame from a connection and reports that it could not be encoded because of
    /// `error`.
    pub fn refuse(&mut self, from: Endpoint, error: Error) -> Option<Event<T>> {
        let now = self.now;
        let connection = self.connection_mut(from);
        let frame = connection.poll_transmit()?;
        connection.handle_encode_error(frame, error, now)
    }

    /// Sends a frame that the connection of `from` did not create: a ping, or a frame of a
    /// misbehaving peer.
    pub fn inject(&mut self, from: Endpoint, frame: Frame) {
        self.network.push(from.other(), frame);
    }

    /// Next frame that `to` receives. `None` if no frame is in transit to `to`.
    pub fn peek(&self, to: Endpoint) -> Option<&Frame> {
        self.network.to(to).front()
    }

    /// Number of frames in the network on their way to `to`.
    pub fn in_transit(&self, to: Endpoint) -> usize {
        self.network.to(to).len()
    }

    /// Delivers the oldest frame in the network to `to`. Returns `None` if there is no frame or if
    /// the frame causes no event.
    ///
    /// # Errors
    /// The errors of [`Connection::handle_frame`].
    pub fn deliver(&mut self, to: Endpoint) -> Result<Option<Event<T>>, Error> {
        match self.network.pop(to) {
            Some(frame) => self.connection_mut(to).handle_frame(frame),
            None => Ok(None),
        }
    }

    /// Transmits and delivers until no frame is left. The order of the two directions is random.
    /// Returns the events and their endpoints.
    ///
    /// # Errors
    /// The first error of [`deliver`](Self::deliver).
    pub fn settle(&mut self) -> Result<Vec<(Endpoint, Event<T>)>, Error> {
        let mut events = Vec::new();
        loop {
            for end in Endpoint::BOTH {
                while self.transmit(end).is_some() {}
            }
            let ready =
                Endpoint::BOTH.into_iter().filter(|&end| self.in_transit(end) > 0).collect::<Vec<_>>();
            let Some(end) = self.rng.pick(&ready) else { return Ok(events) };
            events.extend(self.deliver(end)?.map(|event| (end, event)));
        }
    }

    /// Cuts the network. It loses a random number of the newest frames in transit, and all later
    /// ones. The connections notice only when [`fail`](Self::fail) is called.
    pub fn break_connection(&mut self) {
        self.network.cut(&mut self.rng);
    }

    /// Returns `true` if the network was cut.
    pub fn is_broken(&self) -> bool {
        self.network.is_cut()
    }

    /// Fails the connection of `end`, and returns the events that end its calls.
    pub fn fail(&mut self, end: Endpoint, error: impl FnMut(&str) -> Error) -> Vec<Event<T>> {
        self.connection_mut(end).fail(error)
    }
}
