//! Arbitrary bytes as a script of a connection: calls, cancels, answers and time on this side, and
//! frames from the peer.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::protocol::{
    Admission, Body, Connection, Event, Frame, GoAway, Items, Limits, Name, Request, Response, Role, TxId,
};
use isolated_workers::{Error, ErrorKind};
use tokio_util::codec::Decoder;

/// Checks that each token is returned exactly once, and that each request of the peer is answered
/// at most once.
pub fn check(data: &[u8]) {
    let mut scene = Scene::new(data);
    while let Some(step) = scene.byte() {
        scene.step(step);
    }
    scene.finish();
}

struct Scene<'a> {
    script: &'a [u8],
    connection: Connection<u32>,
    now: Instant,
    /// Calls whose token was not returned yet.
    open: HashSet<u32>,
    calls: u32,
    /// Number of answers that each id of the peer may still get.
    owed: HashMap<TxId, usize>,
    failed: bool,
}

/// Returns a connection with little room in each direction, or one to a peer that announces
/// nothing.
fn new_connection(script: &[u8]) -> Connection<u32> {
    let little = Admission { requests: 3, request_bytes: 200, oneway_bytes: 8 << 10, item_bytes: 200 };
    match script.len() % 2 {
        0 => Connection::new(),
        _ => Connection::with_admission(little, little),
    }
}

impl<'a> Scene<'a> {
    fn new(script: &'a [u8]) -> Self {
        Self {
            script,
            connection: new_connection(script),
            now: Instant::now(),
            open: HashSet::new(),
            calls: 0,
            owed: HashMap::new(),
            failed: false,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.script.split_first()?;
        self.script = rest;
        Some(*byte)
    }

    /// Returns one of eight ids, so that calls collide.
    fn id(&mut self) -> TxId {
        u64::from(self.byte().unwrap_or_default() % 8).into()
    }

    fn step(&mut self, step: u8) {
        match step % 14 {
            0 => self.call(),
            1 => {
                let id = self.id();
                let token = self.connection.cancel(&id, self.now);
                self.returned(token);
            }
            2 => {
                let passed = self.byte().unwrap_or_default();
                self.now += Duration::from_millis(passed.into());
                let events = self.connection.handle_timeout(self.now);
                self.handle_events(events);
            }
            3 => {
                let id = self.id();
                self.connection.answer(&id, Ok(Response::default()));
            }
            4 => {
                let id = self.id();
                let error = Error::new(ErrorKind::Remote, "no").to_remote();
                self.connection.answer(&id, Err(Box::new(error)));
            }
            5 => drop(self.transmit()),
            6 => self.fail_encoding(),
            7 => {
                let id = self.id();
                let _ = self.connection.send(id, request());
            }
            8 => {
                let late = self.byte().unwrap_or_default() % 2 == 0;
                self.connection.set_cancel_on_timeout(late);
                self.connection.ping();
            }
            12 => {
                let (id, role) = (self.id(), self.role());
                let item = Body::from(vec![7; usize::from(self.byte().unwrap_or_default())]);
                self.connection.send_item(role, &id, item);
                self.connection.end_items(&id);
            }
            13 => {
                let (id, role) = (self.id(), self.role());
                let mut items = VecDeque::new();
                self.connection.take_items(role, &id, &mut items);
                let cost = items.iter().map(|item| Admission::item_cost(item)).sum();
                self.connection.finish_items(role, &id, cost);
            }
            9 if step > 250 => self.connection.send_go_away(GoAway::End),
            10 if step > 250 => self.fail(),
            _ => self.receive(step % 2 == 0),
        }
        while self.connection.poll_stream().is_some() {}
        assert!(self.connection.in_flight() >= self.open.len());
        // In each direction of at most eleven streams: 200 bytes, and one item of 255 or one frame.
        assert!(self.connection.untaken_bytes() <= 11 * (200 + 255));
    }

    fn call(&mut self) {
        let (id, timeout) = (self.id(), self.byte().unwrap_or_default());
        let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
        let token = self.calls;
        self.calls += 1;
        let mut request = request();
        request.set_takes_items(timeout.is_none());
        if token % 2 == 0 {
            request.set_items(Items::none());
        }
        if self.connection.call(id, request, timeout, token).is_ok() {
            self.connection.start_timeouts(self.now);
            self.open.insert(token);
        }
    }

    fn role(&mut self) -> Role {
        if self.byte().unwrap_or_default() % 2 == 0 { Role::Caller } else { Role::Callee }
    }

    /// Receives frames of the peer. The script holds a length, and that many bytes of JSON lines or
    /// of the inside of a binary frame.
    fn receive(&mut self, json: bool) {
        let length = usize::from(self.byte().unwrap_or_default()).min(self.script.len());
        let (bytes, rest) = self.script.split_at(length);
        self.script = rest;
        let mut wire = BytesMut::new();
        let decoded = if json {
            wire.put_slice(bytes);
            wire.put_u8(b'\n');
            Json.framing(Limits::default()).decode(&mut wire)
        } else {
            wire.put_u32(bytes.len() as u32);
            wire.put_slice(bytes);
            Postcard.framing(Limits::default()).decode(&mut wire)
        };
        let Ok(Some(frame)) = decoded else { return };
        if self.failed {
            return;
        }
        match self.connection.handle_frame(frame) {
            Ok(event) => self.handle_events(event),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Protocol);
                self.fail();
            }
        }
    }

    fn transmit(&mut self) -> Option<Frame> {
        let (waits, held) = (self.connection.queued_bytes() > 0, self.connection.held());
        let frame = self.connection.poll_transmit();
        // A held request is queued when the peer takes it.
        let is_expected = waits || self.connection.held() < held;
        assert_eq!(is_expected, frame.is_some(), "`queued_bytes` is 0 exactly if no frame is queued");
        if let Some(Frame::Reply { id, .. } | Frame::Error { id, .. }) = &frame {
            let owed = self.owed.get_mut(id).expect("only requests are answered");
            *owed = owed.checked_sub(1).expect("a request is answered once");
        }
        frame
    }

    /// Reports that the next frame could not be encoded.
    fn fail_encoding(&mut self) {
        let Some(frame) = self.transmit() else { return };
        if let Frame::Reply { id, .. } | Frame::Error { id, .. } = &frame {
            *self.owed.get_mut(id).expect("`transmit` has counted this id") += 1;
        }
        let error = Error::new(ErrorKind::TooLarge, "too large");
        let event = self.connection.handle_encode_error(frame, error, self.now);
        self.handle_events(event);
    }

    fn fail(&mut self) {
        self.failed = true;
        let events = self.connection.fail(|_| Error::new(ErrorKind::Crashed, "the connection failed"));
        self.handle_events(events);
        assert!(self.open.is_empty(), "tokens were not returned: {:?}", self.open);
    }

    fn handle_events(&mut self, events: impl IntoIterator<Item = Event<u32>>) {
        for event in events {
            match event {
                Event::Answered { token, .. } | Event::StreamEnded { token, .. } => {
                    self.returned(Some(token));
                }
                Event::Requested(request) if !request.is_oneway() => {
                    let id = request.id().expect("a request of the peer has an id").clone();
                    *self.owed.entry(id).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn returned(&mut self, token: Option<u32>) {
        if let Some(token) = token {
            assert!(self.open.remove(&token), "token {token} was returned twice");
        }
    }

    fn finish(mut self) {
        if !self.failed {
            while self.transmit().is_some() {}
        }
        self.fail();
        assert_eq!((self.connection.in_flight(), self.connection.serving()), (0, 0));
        assert!(self.connection.poll_timeout().is_none() && self.connection.poll_transmit().is_none());
    }
}

fn request() -> Request {
    Request::new(Name::from_static("add"), Body::empty())
}
