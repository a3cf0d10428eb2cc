use isolated_workers_core::Frame;
use isolated_workers_core::testing::Endpoint::{Host, Worker};

use crate::*;

#[test]
fn a_ping_is_answered_by_a_pong() {
    for from in Endpoint::BOTH {
        let mut pair = scene();
        pair.inject(from, Frame::Ping);
        assert!(pair.deliver(from.other()).unwrap().is_none());
        assert!(matches!(pair.transmit(from.other()), Some(Frame::Pong)));
        assert!(pair.deliver(from).unwrap().is_none());
        assert_idle(&mut pair);
    }
}

#[test]
fn frames_are_sent_in_order() {
    let mut pair = scene();
    handled(&mut pair, 1, "from the host");
    pair.call(Worker, id(2), request(""), NO_LIMIT, "call").unwrap();
    pair.answer(Worker, &id(1), reply(""));
    pair.inject(Host, Frame::Ping);
    pair.deliver(Worker).unwrap();
    pair.send(Worker, id(3), request("")).unwrap();
    pair.send_go_away(Worker);

    assert!(matches!(pair.transmit(Worker), Some(Frame::Request { request, .. }) if !request.is_oneway()));
    assert!(matches!(pair.transmit(Worker), Some(Frame::Reply { .. })));
    assert!(matches!(pair.transmit(Worker), Some(Frame::Pong)));
    assert!(matches!(pair.transmit(Worker), Some(Frame::Request { request, .. }) if request.is_oneway()));
    assert!(matches!(pair.transmit(Worker), Some(Frame::GoAway { .. })));
}

#[test]
fn queued_bytes_count_the_queued_payloads() {
    let mut pair = scene();
    assert_eq!(pair.connection(Host).queued_bytes(), 0);
    let large = "x".repeat(10_000);
    pair.call(Host, id(1), request(&large), NO_LIMIT, "call").unwrap();
    pair.call(Host, id(2), request(&large), NO_LIMIT, "cancelled").unwrap();
    assert!((20_000..21_000).contains(&pair.connection(Host).queued_bytes()));
    pair.cancel(Host, &id(2));
    assert!((10_000..11_000).contains(&pair.connection(Host).queued_bytes()));
    pair.transmit(Host);
    assert_eq!(pair.connection(Host).queued_bytes(), 0);
}

#[test]
fn frames_without_a_payload_count_in_queued_bytes() {
    let mut pair = scene();
    for number in 0..1000 {
        pair.inject(Host, Frame::Ping);
        pair.deliver(Worker).unwrap();
        handled(&mut pair, number, "call");
        pair.answer(Worker, &id(number), reply(""));
    }
    assert!(pair.connection(Worker).queued_bytes() >= 2000 * size_of::<usize>());
}

#[test]
fn retracted_calls_do_not_grow_the_queue() {
    let mut pair = scene();
    pair.call(Host, id(0), request(""), NO_LIMIT, "waits").unwrap();
    let before = pair.connection(Host).queued_bytes();
    for number in 1..100 {
        pair.call(Host, id(number), request(""), NO_LIMIT, "given up").unwrap();
        pair.cancel(Host, &id(number));
        assert_eq!(pair.connection(Host).queued_bytes(), before);
    }
}
