use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame};

use crate::*;

fn gone(name: &str) -> Error {
    Error::new(ErrorKind::Crashed, format!("the worker is gone while `{name}` was in flight"))
}

#[test]
fn a_failure_ends_each_call_once_and_knows_which_were_sent() {
    let mut pair = scene();
    called(&mut pair, 1, "left");
    called(&mut pair, 2, "abandoned");
    called(&mut pair, 3, "left too");
    pair.cancel(Host, &id(2));
    pair.call(Host, id(4), request(""), NO_LIMIT, "kept").unwrap();
    pair.call(Host, id(5), request(""), NO_LIMIT, "retracted").unwrap();
    pair.cancel(Host, &id(5));
    pair.call(Host, id(6), request(""), NO_LIMIT, "kept too").unwrap();

    pair.break_connection();
    let ends = failures(pair.fail(Host, gone));
    let (left, kept) = (Executed::Maybe, Executed::No);
    assert_eq!(ends, [("left", left), ("left too", left), ("kept", kept), ("kept too", kept)]);
    assert!(pair.fail(Host, gone).is_empty(), "a second failure ends no call");
}

#[test]
fn a_failed_connection_is_idle_and_starts_no_more_calls() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.call(Host, id(2), request("kept"), Some(ms(10)), "kept").unwrap();
    pair.call(Worker, id(1), request("back"), NO_LIMIT, "back").unwrap();
    pair.break_connection();
    for end in Endpoint::BOTH {
        pair.fail(end, gone);
        let error = pair.call(end, id(3), request(""), NO_LIMIT, "late").unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
        assert_eq!(pair.connection(end).poll_timeout(), None);
    }
    pair.answer(Worker, &id(1), reply("late"));
    assert_eq!(pair.cancel(Host, &id(1)), None);
    pair.advance(ms(10));
    assert!(pair.expire(Host).is_empty());
    assert_idle(&mut pair);
}

#[test]
fn replies_delivered_before_the_loss_still_count() {
    // The seed determines how many replies arrive: none, one or both.
    let mut arrived = [0; 3];
    for seed in 0..30 {
        let mut pair = Pair::new(seed);
        handled(&mut pair, 1, "first");
        handled(&mut pair, 2, "second");
        for number in [1, 2] {
            pair.answer(Worker, &id(number), reply("done"));
            pair.transmit(Worker);
        }
        pair.break_connection();
        let through = pair.in_transit(Host);
        arrived[through] += 1;

        let mut ends = Vec::new();
        while let Some(event) = pair.deliver(Host).unwrap() {
            ends.push(replied(event).0);
        }
        assert_eq!(ends.len(), through);
        ends.extend(failures(pair.fail(Host, gone)).into_iter().map(|(token, _)| token));
        assert_eq!(ends, ["first", "second"]);
    }
    assert!(arrived.iter().all(|&times| times > 0), "{arrived:?}");
}

#[test]
fn an_error_of_a_handler_never_has_executed_no() {
    for &kind in ErrorKind::ALL {
        let mut pair = scene();
        handled(&mut pair, 1, "call");
        // A handler may forward the error of a call that it made itself.
        pair.answer(Worker, &id(1), Err(Error::new(kind, "why")));
        pair.transmit(Worker);
        let (_, result) = end_of(pair.deliver(Host).unwrap().unwrap());
        let error = result.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.executed() == Executed::No, kind == ErrorKind::UnknownMessage, "{kind:?}");
    }
}

#[test]
fn a_request_without_an_encoding_ends_only_its_call() {
    let mut pair = scene();
    called(&mut pair, 1, "fine");
    pair.call(Host, id(2), request("large"), Some(ms(10)), "large").unwrap();
    let event = pair.refuse(Host, Error::new(ErrorKind::TooLarge, "too large")).unwrap();
    assert_eq!(failures(vec![event]), [("large", Executed::No)]);
    assert_eq!(pair.connection(Host).in_flight(), 1);
    called(&mut pair, 2, "its id is free");
}

#[test]
fn a_reply_without_an_encoding_becomes_an_error() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    pair.answer(Worker, &id(1), reply("large"));
    assert!(pair.refuse(Worker, Error::new(ErrorKind::TooLarge, "too large")).is_none());
    assert!(matches!(pair.transmit(Worker), Some(Frame::Error { .. })));
    let (token, result) = end_of(pair.deliver(Host).unwrap().unwrap());
    assert_eq!((token, result.unwrap_err().kind()), ("call", ErrorKind::TooLarge));
    assert_idle(&mut pair);
}

#[test]
fn an_error_without_an_encoding_keeps_the_start_of_its_text() {
    let mut pair = scene();
    handled(&mut pair, 1, "call");
    let text = format!("the disk is full:\n{}", "ß".repeat(1000));
    pair.answer(Worker, &id(1), Err(Error::new(ErrorKind::Remote, text)));
    pair.refuse(Worker, Error::new(ErrorKind::TooLarge, "the frame is too large"));
    pair.transmit(Worker).unwrap();
    let (_, result) = end_of(pair.deliver(Host).unwrap().unwrap());
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let text = error.to_string();
    assert!(text.starts_with("the frame is too large; its text starts with: the disk is full: ßß"), "{text}");
    assert!(text.len() < 200, "{text}");
}

#[test]
fn an_error_without_an_encoding_is_replaced_only_once() {
    for kind in [ErrorKind::TooLarge, ErrorKind::Encode] {
        let mut pair = scene();
        handled(&mut pair, 1, "call");
        pair.answer(Worker, &id(1), Err(Error::new(ErrorKind::Remote, "a long story")));
        for _ in 0..2 {
            assert!(pair.connection(Worker).queued_bytes() > 0);
            pair.refuse(Worker, Error::new(kind, "no"));
        }
        assert_eq!(pair.connection(Worker).queued_bytes(), 0, "the second failure is not replaced");
    }
}
