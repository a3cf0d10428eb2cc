use std::time::Instant;

use isolated_workers_core::ErrorKind;
use isolated_workers_core::protocol::Connection;
use isolated_workers_core::testing::Endpoint::{Host, Worker};

use crate::*;

fn call(pair: &mut Scene, number: u64, timeout: Duration, token: &'static str) {
    pair.call(Host, id(number), request(token), Some(timeout), token).unwrap();
}

fn tokens(events: Vec<Happened>) -> Vec<&'static str> {
    failures(events).into_iter().map(|(token, _)| token).collect()
}

#[test]
fn a_call_times_out_at_its_deadline_and_not_before() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));

    pair.advance(ms(10) - Duration::from_nanos(1));
    assert!(pair.expire(Host).is_empty());
    pair.advance(Duration::from_nanos(1));
    let (token, result) = end_of(pair.expire(Host).pop().unwrap());
    let error = result.unwrap_err();
    assert_eq!((token, error.kind()), ("call", ErrorKind::Timeout));
    assert!(error.to_string().contains("10ms"), "{error}");
    assert!(pair.expire(Host).is_empty(), "a call times out once");
    assert_eq!(pair.connection(Host).poll_timeout(), None);
}

#[test]
fn a_call_that_has_waited_ends_earlier_and_names_its_whole_timeout() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    let at = pair.now() + ms(4);
    pair.connection_mut(Host).expire_at(&id(1), at);
    assert_eq!(pair.connection(Host).poll_timeout(), Some(at));

    pair.advance(ms(4));
    let (token, result) = end_of(pair.expire(Host).pop().unwrap());
    assert_eq!(token, "call");
    let error = result.unwrap_err();
    assert!(error.to_string().contains("within 10ms"), "{error}");
    pair.advance(ms(6));
    assert!(pair.expire(Host).is_empty(), "a call times out once");
}

#[test]
fn a_reply_that_crosses_the_timeout_is_dropped() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    assert!(pair.transmit(Host).is_some());
    pair.deliver(Worker).unwrap();
    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Worker);

    pair.advance(ms(10));
    assert_eq!(tokens(pair.expire(Host)), ["call"]);
    assert!(pair.settle().unwrap().is_empty());
    assert_idle(&mut pair);
}

#[test]
fn a_call_answered_before_its_timeout_is_handled_does_not_time_out() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    pair.transmit(Host);
    pair.deliver(Worker).unwrap();
    pair.answer(Worker, &id(1), reply("done"));
    pair.transmit(Worker);

    pair.advance(ms(10));
    assert_eq!(replied(pair.deliver(Host).unwrap().unwrap()), ("call", "done".into()));
    assert!(pair.expire(Host).is_empty());
    assert_idle(&mut pair);
}

#[test]
fn a_timeout_cancels_the_request_at_the_peer() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    pair.transmit(Host);
    pair.deliver(Worker).unwrap();
    pair.advance(ms(10));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::Maybe)]);

    assert_eq!(pair.cancel(Host, &id(1)), None, "the call has ended");
    let events = pair.settle().unwrap();
    assert!(matches!(&events[..], [(Worker, Event::Cancelled(cancelled))] if *cancelled == id(1)));
    pair.answer(Worker, &id(1), reply("its handler has ended"));
    assert!(pair.settle().unwrap().is_empty(), "no call waits for it");
    assert_idle(&mut pair);
}

#[test]
fn a_call_that_times_out_before_it_is_sent_was_not_run() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    pair.advance(ms(10));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::No)]);
    assert_idle(&mut pair);
}

#[test]
fn calls_time_out_in_order_of_their_deadlines() {
    let mut pair = scene();
    for (number, timeout, token) in [(1, 30, "c"), (2, 10, "a"), (3, 20, "b"), (4, 10, "a2"), (5, 30, "c2")] {
        call(&mut pair, number, ms(timeout), token);
    }
    pair.call(Host, id(6), request(""), NO_LIMIT, "patient").unwrap();

    let start = pair.now();
    for due in [vec!["a", "a2"], vec!["b"], vec!["c", "c2"]] {
        assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
        pair.advance(ms(10));
        assert_eq!(tokens(pair.expire(Host)), due, "equal deadlines expire in the order of the calls");
    }
    assert_eq!((pair.now(), pair.connection(Host).poll_timeout()), (start + ms(30), None));
    assert_eq!(pair.connection(Host).in_flight(), 1);
}

#[test]
fn a_late_wake_up_ends_all_expired_calls() {
    let mut pair = scene();
    for (number, timeout, token) in [(1, 30, "c"), (2, 10, "a"), (3, 20, "b"), (4, 50, "d")] {
        call(&mut pair, number, ms(timeout), token);
    }
    pair.advance(ms(40));
    assert_eq!(tokens(pair.expire(Host)), ["c", "a", "b"], "in the order of their calls");
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
}

#[test]
fn a_wake_up_for_an_ended_call_does_no_harm() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "first");
    call(&mut pair, 2, ms(20), "second");
    pair.cancel(Host, &id(1));
    pair.advance(ms(10));
    assert!(pair.expire(Host).is_empty());
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
}

#[test]
fn a_zero_timeout_expires_immediately() {
    let mut pair = scene();
    call(&mut pair, 1, Duration::ZERO, "call");
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now()));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::No)]);
    assert_idle(&mut pair);
}

#[test]
fn a_timeout_beyond_the_range_of_instant_never_expires() {
    let mut pair = scene();
    call(&mut pair, 1, Duration::MAX, "call");
    assert_eq!(pair.connection(Host).poll_timeout(), None);
    pair.advance(Duration::from_secs(u32::MAX.into()));
    assert!(pair.expire(Host).is_empty());
}

#[test]
fn the_timeout_of_a_request_is_sent_to_the_peer() {
    for (asked, told) in [(Some(ms(7)), Some(ms(7))), (Some(Duration::ZERO), None), (None, None)] {
        let mut pair = scene();
        let mut request = request("");
        request.set_timeout(asked);
        pair.call(Host, id(1), request, Some(ms(99)), "call").unwrap();
        let frame = pair.transmit(Host);
        assert_eq!(frame.unwrap().timeout(), told);
    }
}

#[test]
fn each_of_thousands_of_calls_keeps_its_own_deadline() {
    let mut pair = scene();
    for number in 0..5_000 {
        call(&mut pair, number, ms(10_000 + number % 3), "call");
        pair.advance(ms(10));
    }
    let start = pair.now() - ms(50_000);
    let mut ended = 0;
    while let Some(at) = pair.connection(Host).poll_timeout() {
        let late = at.saturating_duration_since(pair.now());
        pair.advance(late);
        ended += pair.expire(Host).len() as u64;
        let due = (0..5_000).filter(|number| start + ms(10 * number + 10_000 + number % 3) <= pair.now());
        assert_eq!(ended, due.count() as u64);
    }
    assert_eq!(ended, 5_000);
}

#[test]
fn a_timeout_runs_from_the_start_of_its_batch_although_other_calls_expire_before() {
    let mut connection = Connection::new();
    let start = Instant::now();
    connection.call(id(1), request(""), Some(ms(10)), "first").unwrap();
    connection.start_timeouts(start);
    connection.call(id(2), request(""), Some(ms(10)), "second").unwrap();
    assert_eq!(tokens(connection.handle_timeout(start + ms(10))), ["first"]);
    assert_eq!(connection.poll_timeout(), None);
    connection.start_timeouts(start + ms(11));
    assert_eq!(connection.poll_timeout(), Some(start + ms(21)));
    assert!(connection.handle_timeout(start + ms(20)).is_empty());
    assert_eq!(tokens(connection.handle_timeout(start + ms(21))), ["second"]);
}
