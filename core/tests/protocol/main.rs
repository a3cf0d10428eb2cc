//! Rules of a connection, each in one scripted scenario.

mod cancel;
mod failure;
mod go_away;
mod ids;
mod oneway;
mod queue;
mod streams;
mod timeout;

use std::time::Duration;

use isolated_workers_core::protocol::Event;
use isolated_workers_core::testing::Endpoint::{self, Host, Worker};
use isolated_workers_core::testing::Pair;
use isolated_workers_core::{Body, Error, Executed, Name, Request, Response, TxId};

type Scene = Pair<&'static str>;
type Happened = Event<&'static str>;

const NO_LIMIT: Option<Duration> = None;

fn scene() -> Scene {
    Pair::new(1)
}

fn id(number: u64) -> TxId {
    TxId::from(number)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn request(body: &str) -> Request {
    Request::new(Name::from_static("work"), Body::from(body.as_bytes().to_vec()))
}

fn reply(body: &str) -> Result<Response, Error> {
    Ok(Response::new(Body::from(body.as_bytes().to_vec())))
}

/// Starts a call of the host and transmits it.
fn called(pair: &mut Scene, number: u64, token: &'static str) {
    pair.call(Host, id(number), request(token), NO_LIMIT, token).unwrap();
    assert!(pair.transmit(Host).is_some());
}

/// Starts a call of the host and delivers it to the worker.
fn handled(pair: &mut Scene, number: u64, token: &'static str) {
    called(pair, number, token);
    let event = pair.deliver(Worker).unwrap();
    assert!(matches!(event, Some(Event::Requested(request)) if request.id() == Some(&id(number))));
}

/// Token and result of a call that ended.
fn end_of(event: Happened) -> (&'static str, Result<String, Error>) {
    match event {
        Event::Answered { token, result } => {
            (token, result.map(|reply| String::from_utf8_lossy(reply.body().as_bytes()).into()))
        }
        other => panic!("{other:?} does not end a call"),
    }
}

fn replied(event: Happened) -> (&'static str, String) {
    let (token, result) = end_of(event);
    (token, result.unwrap())
}

/// Tokens of calls that ended with an error, and their `executed` values.
fn failures(events: Vec<Happened>) -> Vec<(&'static str, Executed)> {
    let ends = events.into_iter().map(end_of);
    ends.map(|(token, result)| (token, result.unwrap_err().executed())).collect()
}

/// Checks that neither endpoint has anything to send, to wait for or to answer.
fn assert_idle(pair: &mut Scene) {
    for end in Endpoint::BOTH {
        assert!(pair.transmit(end).is_none(), "{end} has something to send");
        assert_eq!(pair.in_transit(end), 0, "to {end}");
        let connection = pair.connection(end);
        assert_eq!(
            (connection.in_flight(), connection.serving(), connection.queued_bytes()),
            (0, 0, 0),
            "{end}"
        );
    }
}
