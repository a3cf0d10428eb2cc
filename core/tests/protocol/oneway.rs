use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame};

use crate::*;

/// Sends a oneway message from the host and delivers it to the worker.
fn sent(pair: &mut Scene, number: u64) {
    pair.send(Host, id(number), request("line")).unwrap();
    assert!(matches!(pair.transmit(Host), Some(Frame::Request { request, .. }) if request.is_oneway()));
    let event = pair.deliver(Worker).unwrap();
    assert!(matches!(event, Some(Event::Requested(request)) if request.is_oneway()));
}

#[test]
fn a_oneway_message_is_not_answered() {
    let mut pair = scene();
    sent(&mut pair, 1);
    assert_eq!((pair.connection(Host).in_flight(), pair.connection(Worker).serving()), (0, 0));
    pair.answer(Worker, &id(1), reply("unasked"));
    assert_idle(&mut pair);
}

#[test]
fn a_oneway_message_that_fails_is_not_answered() {
    let mut pair = scene();
    sent(&mut pair, 1);
    pair.answer(Worker, &id(1), Err(Error::new(ErrorKind::Remote, "the disk is full")));
    assert_idle(&mut pair);
}

#[test]
fn a_oneway_message_cannot_be_cancelled() {
    let mut pair = scene();
    sent(&mut pair, 1);
    assert_eq!(pair.cancel(Host, &id(1)), None);
    // Even a cancel frame with the id of the message has no effect.
    pair.inject(Host, Frame::Cancel { id: id(1) });
    assert!(pair.deliver(Worker).unwrap().is_none());
    assert_idle(&mut pair);
}

#[test]
fn a_oneway_message_may_have_the_id_of_a_call() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    sent(&mut pair, 1);
    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Worker);
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("call", "done".into()));
    assert_idle(&mut pair);
}

#[test]
fn a_oneway_message_without_an_encoding_does_not_end_a_call_with_its_id() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.send(Host, id(1), request("too large")).unwrap();
    assert!(pair.refuse(Host, Error::new(ErrorKind::TooLarge, "too large")).is_none());
    assert_eq!(pair.connection(Host).in_flight(), 1);
}

#[test]
fn a_failure_causes_no_event_for_a_oneway_message() {
    let mut pair = scene();
    pair.send(Host, id(1), request("line")).unwrap();
    pair.break_connection();
    assert!(pair.fail(Host, |_| Error::new(ErrorKind::Crashed, "gone")).is_empty());
    assert_idle(&mut pair);
}
