use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame};

use crate::*;

fn assert_closed(pair: &mut Scene, from: Endpoint) {
    let call = pair.call(from, id(99), request(""), NO_LIMIT, "refused").unwrap_err();
    let sent = pair.send(from, id(99), request("")).unwrap_err();
    for error in [call, sent] {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No), "{from}");
    }
}

#[test]
fn after_a_go_away_neither_end_starts_a_call() {
    let mut pair = scene();
    pair.send_go_away(Host);
    assert_closed(&mut pair, Host);
    pair.transmit(Host);
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::GoAway(_)))));
    assert_closed(&mut pair, Worker);
    assert_idle(&mut pair);
}

#[test]
fn answers_in_flight_still_arrive_after_a_go_away() {
    for from in Endpoint::BOTH {
        let mut pair = scene();
        handled(&mut pair, 1, "call");
        pair.send_go_away(from);
        pair.settle().unwrap();
        assert_closed(&mut pair, Host);

        pair.answer(Worker, &id(1), reply("done"));
        pair.transmit(Worker);
        assert_eq!(
            replied(pair.deliver(Host).unwrap().unwrap()),
            ("call", "done".into()),
            "go_away of {from}"
        );
        assert_idle(&mut pair);
    }
}

#[test]
fn requests_that_cross_the_go_away_are_served() {
    let mut pair = scene();
    called(&mut pair, 1, "call");
    pair.send_go_away(Worker);
    pair.transmit(Worker);
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Requested(_)))));
    assert!(matches!(pair.deliver(Host), Ok(Some(Event::GoAway(_)))));

    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Worker);
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("call", "done".into()));
}

#[test]
fn a_call_in_flight_can_be_cancelled_after_a_go_away() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.send_go_away(Host);
    assert_eq!(pair.cancel(Host, &id(1)), Some("call"));
    let events = pair.settle().unwrap();
    assert!(matches!(&events[..], [(Worker, Event::GoAway(_)), (Worker, Event::Cancelled(_))]), "{events:?}");
    pair.answer(Worker, &id(1), reply("its handler has ended"));
    assert!(pair.settle().unwrap().is_empty(), "no call waits for it");
    assert_idle(&mut pair);
}

#[test]
fn a_go_away_is_sent_once_and_after_earlier_calls() {
    let mut pair = scene();
    pair.call(Host, id(1), request(""), NO_LIMIT, "call").unwrap();
    pair.send_go_away(Host);
    pair.send_go_away(Host);
    assert!(matches!(pair.transmit(Host), Some(Frame::Request { .. })));
    assert!(matches!(pair.transmit(Host), Some(Frame::GoAway(_))));
    assert!(pair.transmit(Host).is_none());
}
