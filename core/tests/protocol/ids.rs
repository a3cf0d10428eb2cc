use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame, Metadata, RemoteError};

use crate::*;

fn raw_request(number: u64, oneway: bool) -> Frame {
    Frame::request(id(number), Name::from_static("work"), Body::empty(), Metadata::new(), oneway, None)
}

#[test]
fn an_id_in_use_is_refused_and_its_call_goes_on() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    let error = pair.call(Host, id(1), request(""), NO_LIMIT, "again").unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::DuplicateId, Executed::No));
    assert!(pair.transmit(Host).is_none(), "the refused call is not sent");

    pair.answer(Worker, &id(1), reply("done"));
    let events = pair.settle().unwrap();
    assert_eq!(
        events.into_iter().map(|(_, event)| replied(event)).collect::<Vec<_>>(),
        [("call", "done".into())]
    );
    pair.call(Host, id(1), request(""), NO_LIMIT, "next").unwrap();
}

#[test]
fn both_ends_may_use_the_same_id() {
    let mut pair = scene();
    handled(&mut pair, 1, "from the host");
    pair.call(Worker, id(1), request(""), NO_LIMIT, "from the worker").unwrap();
    pair.transmit(Worker);
    assert!(matches!(pair.deliver(Host), Ok(Some(Event::Requested(_)))));

    pair.answer(Host, &id(1), reply("of the host"));
    pair.transmit(Host);
    assert_eq!(replied(pair.deliver(Worker).unwrap().unwrap()), ("from the worker", "of the host".into()));
    pair.answer(Worker, &id(1), reply("of the worker"));
    pair.transmit(Worker);
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("from the host", "of the worker".into()));
    assert_idle(&mut pair);
}

#[test]
fn answers_find_their_calls_in_any_order() {
    let mut pair = scene();
    for (number, token) in [(1, "one"), (2, "two"), (3, "three")] {
        handled(&mut pair, number, token);
    }
    for (number, body, token) in [(2, "2", "two"), (3, "3", "three"), (1, "1", "one")] {
        pair.answer(Worker, &id(number), reply(body));
        pair.transmit(Worker);
        assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), (token, body.into()));
    }
    assert_idle(&mut pair);
}

#[test]
fn a_request_is_answered_once() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.answer(Worker, &id(1), reply("first"));
    pair.answer(Worker, &id(1), reply("second"));
    pair.answer(Worker, &id(2), reply("to nothing"));
    assert!(pair.transmit(Worker).is_some());
    assert!(pair.transmit(Worker).is_none());
}

#[test]
fn a_peer_that_reuses_an_id_in_use_breaks_the_protocol() {
    let mut pair = scene();
    pair.inject(Host, raw_request(1, false));
    pair.inject(Host, raw_request(1, false));
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Requested(_)))));
    let error = pair.deliver(Worker).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("reused the id 1"), "{error}");
}

#[test]
fn a_peer_may_reuse_the_id_of_an_answered_request() {
    let mut pair = scene();
    for _ in 0..2 {
        pair.inject(Host, raw_request(1, false));
        assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Requested(_)))));
        pair.answer(Worker, &id(1), reply(""));
    }
    pair.inject(Host, raw_request(1, true));
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Requested(_)))), "oneway messages use no id");
}

#[test]
fn answers_to_unknown_calls_are_ignored() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    let (name, body) = (Name::default(), Body::empty());
    let strays = [
        Frame::reply(id(2), name.clone(), body, Metadata::new()),
        Frame::Error { id: id(3), name, error: Box::new(RemoteError::new("Stray", "of nothing")) },
        Frame::Pong,
    ];
    for stray in strays {
        pair.inject(Worker, stray);
        assert!(pair.deliver(Host).unwrap().is_none());
    }
    pair.inject(Host, Frame::Cancel { id: id(4) });
    assert!(pair.deliver(Worker).unwrap().is_none());
    assert_eq!((pair.connection(Host).in_flight(), pair.connection(Worker).serving()), (1, 1));
    assert!(pair.transmit(Worker).is_none(), "stray frames are not answered");
}

/// Frame from a peer that writes no frame kinds: a message with the name of an answer, or the
/// answer itself.
fn unmarked(number: u64) -> Frame {
    let (name, body, metadata) =
        (Name::from_static("workResult"), Body::from(b"done".to_vec()), Metadata::new());
    let answer = Frame::reply(id(number), "work".into(), body.clone(), metadata.clone());
    let request = Frame::request(id(number), name, body, metadata, false, None);
    Frame::Unmarked { answer: answer.into(), request: request.into() }
}

#[test]
fn a_frame_without_a_kind_answers_the_call_of_its_id_and_is_a_request_otherwise() {
    let mut pair = scene();
    called(&mut pair, 1, "call");
    pair.inject(Worker, unmarked(2));
    let Some(Event::Requested(request)) = pair.deliver(Host).unwrap() else { panic!("no request") };
    assert_eq!((request.name(), request.id()), ("workResult", Some(&id(2))));
    pair.inject(Worker, unmarked(1));
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("call", "done".into()));
}
