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
fn a_call_is_given_up_at_its_deadline_and_not_before() {
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
    assert!(pair.expire(Host).is_empty(), "once is enough");
    assert_eq!(pair.connection(Host).poll_timeout(), None);
}

#[test]
fn a_reply_that_crosses_the_timeout_goes_to_nobody() {
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
fn a_timeout_that_crosses_the_reply_changes_nothing() {
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
fn a_call_whose_time_is_over_is_cancelled_at_the_other_side() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    pair.transmit(Host);
    pair.deliver(Worker).unwrap();
    pair.advance(ms(10));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::Maybe)]);

    assert_eq!(pair.cancel(Host, &id(1)), None, "it has ended");
    let events = pair.settle().unwrap();
    assert!(matches!(&events[..], [(Worker, Event::Cancelled(cancelled))] if *cancelled == id(1)));
    assert_idle(&mut pair);
}

#[test]
fn a_call_whose_time_is_over_before_it_left_is_not_run() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "call");
    pair.advance(ms(10));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::No)]);
    assert_idle(&mut pair);
}

#[test]
fn deadlines_fall_due_in_any_mixture() {
    let mut pair = scene();
    for (number, timeout, token) in [(1, 30, "c"), (2, 10, "a"), (3, 20, "b"), (4, 10, "a2"), (5, 30, "c2")] {
        call(&mut pair, number, ms(timeout), token);
    }
    pair.call(Host, id(6), request(""), NO_LIMIT, "patient").unwrap();

    let start = pair.now();
    for due in [vec!["a", "a2"], vec!["b"], vec!["c", "c2"]] {
        assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
        pair.advance(ms(10));
        assert_eq!(tokens(pair.expire(Host)), due, "those of one time in the order of their calls");
    }
    assert_eq!((pair.now(), pair.connection(Host).poll_timeout()), (start + ms(30), None));
    assert_eq!(pair.connection(Host).in_flight(), 1);
}

#[test]
fn being_late_gives_up_all_that_is_due() {
    let mut pair = scene();
    for (number, timeout, token) in [(1, 30, "c"), (2, 10, "a"), (3, 20, "b"), (4, 50, "d")] {
        call(&mut pair, number, ms(timeout), token);
    }
    pair.advance(ms(40));
    assert_eq!(tokens(pair.expire(Host)), ["c", "a", "b"], "in the order of their calls");
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
}

#[test]
fn to_be_woken_for_a_call_that_has_ended_does_no_harm() {
    let mut pair = scene();
    call(&mut pair, 1, ms(10), "first");
    call(&mut pair, 2, ms(20), "second");
    pair.cancel(Host, &id(1));
    pair.advance(ms(10));
    assert!(pair.expire(Host).is_empty());
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now() + ms(10)));
}

#[test]
fn no_time_at_all_is_over_at_once() {
    let mut pair = scene();
    call(&mut pair, 1, Duration::ZERO, "call");
    assert_eq!(pair.connection(Host).poll_timeout(), Some(pair.now()));
    assert_eq!(failures(pair.expire(Host)), [("call", Executed::No)]);
    assert_idle(&mut pair);
}

#[test]
fn a_timeout_past_the_end_of_time_is_none() {
    let mut pair = scene();
    call(&mut pair, 1, Duration::MAX, "call");
    assert_eq!(pair.connection(Host).poll_timeout(), None);
    pair.advance(Duration::from_secs(u32::MAX.into()));
    assert!(pair.expire(Host).is_empty());
}

#[test]
fn the_other_side_is_told_the_limit_of_a_request_where_there_is_one() {
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
fn each_call_has_its_own_time_also_among_thousands_that_began_one_after_the_other() {
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
fn the_time_of_a_call_runs_from_its_turn_also_when_others_are_over_meanwhile() {
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
