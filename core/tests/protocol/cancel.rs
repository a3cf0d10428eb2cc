use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame};

use crate::*;

#[test]
fn a_cancel_stops_the_handler_and_is_answered() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    assert_eq!(pair.cancel(Host, &id(1)), Some("call"));
    pair.transmit(Host);

    let event = pair.deliver(Worker).unwrap();
    assert!(matches!(event, Some(Event::Cancelled(cancelled)) if cancelled == id(1)));
    assert_eq!((pair.connection(Worker).serving(), pair.connection(Worker).cancelled()), (1, 1));
    assert!(pair.transmit(Worker).is_none(), "its handler has not ended");
    assert_eq!(pair.connection(Host).given_up(), 1);

    // The handler ends. Its result does not matter.
    pair.answer(Worker, &id(1), reply("too late"));
    assert_eq!((pair.connection(Worker).serving(), pair.connection(Worker).cancelled()), (0, 0));
    let Some(Frame::Error { error, .. }) = pair.transmit(Worker) else { panic!("a cancel is not answered") };
    assert_eq!(error.code.as_deref(), Some(ErrorKind::Cancelled.code()));
    assert!(pair.deliver(Host).unwrap().is_none(), "no call waits for it");
    assert_eq!(pair.connection(Host).given_up(), 0);
    assert_idle(&mut pair);
}

#[test]
fn a_reply_that_crosses_the_cancel_is_dropped() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.cancel(Host, &id(1));
    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Host);
    pair.transmit(Worker);

    // The cancel arrives first.
    assert!(pair.deliver(Worker).unwrap().is_none(), "it is answered already");
    assert!(pair.deliver(Host).unwrap().is_none(), "it was given up");
    assert_idle(&mut pair);
}

#[test]
fn a_cancel_that_crosses_the_reply_does_not_cancel_the_next_call() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.cancel(Host, &id(1));
    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Host);
    pair.transmit(Worker);

    // The reply arrives first, and a new call uses the id before the cancel of the old one arrives.
    assert!(pair.deliver(Host).unwrap().is_none());
    called(&mut pair, 1, "next");
    assert!(pair.deliver(Worker).unwrap().is_none(), "the cancel is that of the first call");
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Requested(_)))));

    pair.answer(Worker, &id(1), reply("next done"));
    pair.transmit(Worker);
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("next", "next done".into()));
    assert_idle(&mut pair);
}

#[test]
fn the_id_of_a_cancelled_call_is_in_use_until_its_answer_arrives() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.cancel(Host, &id(1));
    assert_eq!(pair.connection(Host).in_flight(), 1, "its answer is outstanding");

    let error = pair.call(Host, id(1), request(""), NO_LIMIT, "early").unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::DuplicateId, Executed::No));
    pair.settle().unwrap();
    let error = pair.call(Host, id(1), request(""), NO_LIMIT, "early").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateId, "its handler has not ended");
    pair.answer(Worker, &id(1), reply("ended"));
    pair.settle().unwrap();
    pair.call(Host, id(1), request(""), NO_LIMIT, "next").unwrap();
}

#[test]
fn a_call_cancelled_before_it_is_sent_leaves_nothing_on_the_wire() {
    let mut pair = scene();
    pair.call(Host, id(1), request("first"), NO_LIMIT, "first").unwrap();
    pair.call(Host, id(2), request("second"), NO_LIMIT, "second").unwrap();
    pair.call(Host, id(3), request("third"), NO_LIMIT, "third").unwrap();
    assert_eq!(pair.cancel(Host, &id(2)), Some("second"));
    assert_eq!(pair.connection(Host).in_flight(), 2);

    // The id is free immediately.
    pair.call(Host, id(2), request("fourth"), NO_LIMIT, "fourth").unwrap();
    let mut sent = Vec::new();
    while let Some(frame) = pair.transmit(Host) {
        sent.push(frame.body().unwrap().as_bytes().to_vec());
    }
    assert_eq!(sent, [&b"first"[..], b"third", b"fourth"]);

    // The retracted frame does not shift the numbers of the sent frames.
    pair.call(Host, id(5), request("fifth"), NO_LIMIT, "fifth").unwrap();
    pair.cancel(Host, &id(2));
    pair.cancel(Host, &id(5));
    assert!(matches!(pair.transmit(Host), Some(Frame::Cancel { id: sent }) if sent == id(2)));
    assert!(pair.transmit(Host).is_none());
}

#[test]
fn a_cancel_does_not_retract_a_later_frame_with_a_reused_number() {
    let mut pair = scene();
    pair.call(Host, id(1), request("first"), NO_LIMIT, "first").unwrap();
    pair.cancel(Host, &id(1));
    pair.call(Host, id(2), request("second"), NO_LIMIT, "second").unwrap();
    assert_eq!(pair.cancel(Host, &id(1)), None);
    assert!(matches!(pair.transmit(Host), Some(Frame::Request { id: sent, .. }) if sent == id(2)));
}

#[test]
fn a_call_is_cancelled_at_most_once() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    assert_eq!(pair.cancel(Host, &id(2)), None, "no such call");
    assert_eq!(pair.cancel(Worker, &id(1)), None, "the call belongs to the host");
    assert_eq!(pair.cancel(Host, &id(1)), Some("call"));
    assert_eq!(pair.cancel(Host, &id(1)), None);
    assert!(pair.transmit(Host).is_some());
    assert!(pair.transmit(Host).is_none(), "only one cancel is sent");
}

#[test]
fn a_cancel_is_outstanding_until_the_handler_has_ended() {
    let mut pair = scene();
    for number in 1..=3 {
        handled(&mut pair, number, "call");
    }
    let first = pair.now();
    pair.cancel(Host, &id(2));
    pair.advance(ms(1000));
    let second = pair.now();
    pair.cancel(Host, &id(1));
    assert_eq!(pair.connection(Host).oldest_cancel(), Some(first));
    pair.settle().unwrap();
    assert_eq!(pair.connection(Host).oldest_cancel(), Some(first), "no handler has ended");
    for (number, oldest) in [(3, Some(first)), (2, Some(second)), (1, None)] {
        pair.answer(Worker, &id(number), reply("done"));
        pair.settle().unwrap();
        assert_eq!(pair.connection(Host).oldest_cancel(), oldest);
    }
}

#[test]
fn a_call_that_times_out_without_a_cancel_leaves_none_outstanding() {
    for cancels in [true, false] {
        let mut pair = scene();
        pair.connection_mut(Host).set_cancel_on_timeout(cancels);
        let timeout = ms(1000);
        pair.call(Host, id(1), request(""), Some(timeout), "call").unwrap();
        pair.settle().unwrap();
        pair.advance(timeout);
        assert_eq!(pair.expire(Host).len(), 1);
        assert_eq!(pair.connection(Host).oldest_cancel(), cancels.then_some(pair.now()));
        assert_eq!(pair.connection(Host).given_up(), 1);
    }
}
