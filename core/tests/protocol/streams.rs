use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use isolated_workers_core::protocol::{Admission, Connection, Receiving, Sending};
use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame, Items, Role, Streams};

use crate::*;

/// Size of the items that each side takes, in bytes. 3 small items use it up.
const ITEM_BYTES: usize = 3 * Admission::MIN_ITEM_BYTES;

const NO_ITEMS: Admission = Admission::UNANNOUNCED;

const TO_HOST: Streams = Streams { from_callee: true, from_caller: false };
const TO_WORKER: Streams = Streams { from_callee: false, from_caller: true };
const BOTH: Streams = Streams { from_callee: true, from_caller: true };

fn streaming_scene() -> Scene {
    let admission = Admission { item_bytes: ITEM_BYTES, ..Admission::WORKER };
    scene().with_admissions(admission, admission)
}

fn with_streams(streams: Streams) -> Request {
    let mut request = request("streams");
    request.set_takes_items(streams.from_callee);
    if streams.from_caller {
        request.set_items(Items::failed(Error::new(ErrorKind::Invalid, "not polled")));
    }
    assert_eq!(request.streams(), streams);
    request
}

/// Starts a call of the host with streams and delivers it to the worker.
fn streaming(pair: &mut Scene, number: u64, streams: Streams) {
    pair.call(Host, id(number), with_streams(streams), NO_LIMIT, "call").unwrap();
    pair.transmit(Host).unwrap();
    let Some(Frame::Request { .. }) = pair.peek(Worker) else { panic!("no request") };
    let event = pair.deliver(Worker).unwrap();
    assert!(matches!(event, Some(Event::Requested(request)) if request.streams() == streams));
}

fn item(number: u64, from: Role, bytes: usize) -> Frame {
    Frame::Item { id: id(number), from, body: Body::from(vec![7; bytes]).into() }
}

/// Delivers a frame of a hostile worker to the host.
fn to_host(pair: &mut Scene, frame: Frame) -> Result<Option<Happened>, Error> {
    pair.inject(Worker, frame);
    pair.deliver(Host)
}

/// Delivers a frame of a hostile host to the worker.
fn to_worker(pair: &mut Scene, frame: Frame) -> Result<Option<Happened>, Error> {
    pair.inject(Host, frame);
    pair.deliver(Worker)
}

#[track_caller]
fn assert_breach(result: Result<Option<Happened>, Error>, cause: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains(cause), "{error}");
}

#[track_caller]
fn assert_passed_over(result: Result<Option<Happened>, Error>) {
    assert!(result.unwrap().is_none());
}

fn taken(pair: &mut Scene, end: Endpoint, role: Role, number: u64) -> (usize, Receiving) {
    let mut items = VecDeque::new();
    let receiving = pair.connection_mut(end).take_items(role, &id(number), &mut items);
    (items.len(), receiving)
}

#[test]
fn items_beyond_the_credit_break_the_protocol() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, BOTH);
    for _ in 0..2 {
        assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 0)));
        assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, 0)));
    }
    // The last item may exceed the credit.
    assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 10 * ITEM_BYTES)));
    assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, 10 * ITEM_BYTES)));
    assert_breach(to_host(&mut pair, item(1, Role::Callee, 0)), "earlier items were not taken yet");
    assert_breach(to_worker(&mut pair, item(1, Role::Caller, 0)), "earlier items were not taken yet");
}

#[test]
fn items_that_were_taken_free_no_credit_until_it_is_given_back() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, TO_HOST);
    for _ in 0..3 {
        assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 0)));
    }
    assert_eq!(taken(&mut pair, Host, Role::Caller, 1), (3, Receiving::Open));
    pair.connection_mut(Host).finish_items(Role::Caller, &id(1), Admission::MIN_ITEM_BYTES);
    assert!(pair.transmit(Host).is_none(), "less than half of the credit");
    assert_breach(to_host(&mut pair, item(1, Role::Callee, 0)), "earlier items were not taken yet");
    pair.connection_mut(Host).finish_items(Role::Caller, &id(1), Admission::MIN_ITEM_BYTES);
    assert!(matches!(pair.transmit(Host), Some(Frame::ItemCredit { bytes: 128, .. })));
    assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 0)));
}

#[test]
fn streams_of_different_calls_have_credit_of_their_own() {
    let mut pair = streaming_scene();
    for call in 1..=3 {
        streaming(&mut pair, call, TO_HOST);
    }
    for call in 1..=3 {
        for _ in 0..3 {
            assert_passed_over(to_host(&mut pair, item(call, Role::Callee, 0)));
        }
    }
    for call in 1..=3 {
        assert_eq!(taken(&mut pair, Host, Role::Caller, call), (3, Receiving::Open));
    }
}

#[test]
fn items_of_no_known_call_are_passed_over() {
    let mut pair = streaming_scene();
    assert_passed_over(to_host(&mut pair, item(9, Role::Callee, 1 << 20)));
    assert_passed_over(to_host(&mut pair, item(9, Role::Caller, 1 << 20)));
    assert_passed_over(to_worker(&mut pair, item(9, Role::Caller, 1 << 20)));
    assert_passed_over(to_worker(&mut pair, item(9, Role::Callee, 1 << 20)));
    assert_passed_over(to_worker(&mut pair, Frame::ItemsEnd { id: id(9) }));
    for from in [Role::Caller, Role::Callee] {
        assert_passed_over(to_worker(&mut pair, Frame::ItemCredit { id: id(9), from, bytes: u64::MAX }));
    }
    assert_eq!(taken(&mut pair, Host, Role::Caller, 9), (0, Receiving::Closed));
    assert!(pair.connection_mut(Host).poll_stream().is_none());
    assert_idle(&mut pair);
}

#[test]
fn items_in_a_call_without_streams_break_the_protocol() {
    for frame in [item(1, Role::Caller, 1), Frame::ItemsEnd { id: id(1) }] {
        let mut pair = streaming_scene();
        handled(&mut pair, 1, "call");
        assert_breach(to_worker(&mut pair, frame), "no such stream");
    }
    let mut pair = streaming_scene();
    handled(&mut pair, 1, "call");
    assert_breach(to_host(&mut pair, item(1, Role::Callee, 1)), "no such stream");
}

#[test]
fn items_in_the_wrong_direction_break_the_protocol() {
    for frame in [item(1, Role::Caller, 1), Frame::ItemsEnd { id: id(1) }] {
        let mut pair = streaming_scene();
        streaming(&mut pair, 1, TO_HOST);
        assert_breach(to_worker(&mut pair, frame), "no such stream");
    }
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, TO_WORKER);
    assert_breach(to_host(&mut pair, item(1, Role::Callee, 1)), "no such stream");
}

#[test]
fn nothing_follows_the_end_of_the_items_of_a_caller() {
    for frame in [item(1, Role::Caller, 1), Frame::ItemsEnd { id: id(1) }] {
        let mut pair = streaming_scene();
        streaming(&mut pair, 1, TO_WORKER);
        assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, 1)));
        assert_passed_over(to_worker(&mut pair, Frame::ItemsEnd { id: id(1) }));
        assert_breach(to_worker(&mut pair, frame), "no such stream, or it has ended");
        assert_eq!(taken(&mut pair, Worker, Role::Callee, 1), (1, Receiving::Ended));
    }
}

#[test]
fn items_after_the_answer_are_passed_over() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, BOTH);
    assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 1)));
    pair.answer(Worker, &id(1), reply(""));
    pair.transmit(Worker);
    let Some(Event::StreamEnded { token: "call", end }) = pair.deliver(Host).unwrap() else {
        panic!("the call goes on")
    };
    assert_eq!((end.items.len(), end.result.is_ok()), (1, true));
    assert_passed_over(to_host(&mut pair, item(1, Role::Callee, 1)));
    assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, 1)));
    assert_passed_over(to_worker(&mut pair, Frame::ItemsEnd { id: id(1) }));
    for from in [Role::Caller, Role::Callee] {
        assert_passed_over(to_host(&mut pair, Frame::ItemCredit { id: id(1), from, bytes: 1 }));
    }
    assert_eq!(pair.connection(Host).sending(Role::Caller, &id(1)), Sending::Ended);
    assert_idle(&mut pair);
}

#[test]
fn items_of_a_cancelled_call_are_passed_over() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, BOTH);
    pair.cancel(Host, &id(1));
    // More than the credit, because nobody counts them.
    for _ in 0..10 {
        assert_passed_over(to_host(&mut pair, item(1, Role::Callee, ITEM_BYTES)));
    }
    pair.transmit(Host);
    assert!(matches!(pair.deliver(Worker), Ok(Some(Event::Cancelled(_)))));
    for _ in 0..10 {
        assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, ITEM_BYTES)));
    }
    assert_passed_over(to_worker(&mut pair, Frame::ItemsEnd { id: id(1) }));
    assert_eq!(taken(&mut pair, Worker, Role::Callee, 1), (0, Receiving::Closed));
    assert_eq!(pair.connection(Worker).sending(Role::Callee, &id(1)), Sending::Ended);
    pair.answer(Worker, &id(1), reply(""));
    pair.transmit(Worker);
    assert!(pair.deliver(Host).unwrap().is_none());
    assert_idle(&mut pair);
}

#[test]
fn more_credit_than_was_used_has_no_effect() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, BOTH);
    for bytes in [1, u64::MAX, u64::MAX, 0] {
        assert_passed_over(to_worker(&mut pair, Frame::ItemCredit { id: id(1), from: Role::Caller, bytes }));
        assert_passed_over(to_host(&mut pair, Frame::ItemCredit { id: id(1), from: Role::Callee, bytes }));
    }
    for (end, role) in [(Worker, Role::Callee), (Host, Role::Caller)] {
        let connection = pair.connection_mut(end);
        for _ in 0..3 {
            assert_eq!(connection.sending(role, &id(1)), Sending::Ready);
            connection.send_item(role, &id(1), Body::empty());
        }
        assert_eq!(connection.sending(role, &id(1)), Sending::Waiting);
        // Without credit, an item is not sent.
        connection.send_item(role, &id(1), Body::empty());
        let mut sent = 0;
        while pair.transmit(end).is_some() {
            sent += 1;
        }
        assert_eq!(sent, 3);
    }
}

#[test]
fn credit_for_the_other_direction_has_no_effect() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, TO_HOST);
    for _ in 0..3 {
        pair.connection_mut(Worker).send_item(Role::Callee, &id(1), Body::empty());
    }
    assert_eq!(pair.connection(Worker).sending(Role::Callee, &id(1)), Sending::Waiting);
    // The worker is the callee, so this is credit for a call of its own.
    assert_passed_over(to_worker(
        &mut pair,
        Frame::ItemCredit { id: id(1), from: Role::Callee, bytes: u64::MAX },
    ));
    assert_eq!(pair.connection(Worker).sending(Role::Callee, &id(1)), Sending::Waiting);
    assert_passed_over(to_worker(&mut pair, Frame::ItemCredit { id: id(1), from: Role::Caller, bytes: 1 }));
    assert_eq!(pair.connection(Worker).sending(Role::Callee, &id(1)), Sending::Ready);
}

#[test]
fn a_call_with_streams_that_a_side_does_not_take_fails_before_it_is_sent() {
    for streams in [TO_HOST, TO_WORKER, BOTH] {
        for mut pair in [scene(), scene().with_admissions(Admission::WORKER, NO_ITEMS)] {
            let error = pair.call(Host, id(1), with_streams(streams), NO_LIMIT, "call").unwrap_err();
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Unsupported, Executed::No));
            assert!(error.to_string().contains("the peer has not announced that it takes items"), "{error}");
            assert_idle(&mut pair);
        }
    }
    let mut pair = scene().with_admissions(NO_ITEMS, Admission::WORKER);
    let error = pair.call(Host, id(1), with_streams(TO_HOST), NO_LIMIT, "call").unwrap_err();
    assert!(error.to_string().contains("this side has not announced that it takes items"), "{error}");
}

#[test]
fn a_request_with_streams_that_were_not_announced_breaks_the_protocol() {
    let takes = |item_bytes| Admission { item_bytes, ..Admission::WORKER };
    let own = "has a stream of items, which this side does not take";
    let peer = "the peer has not announced that it takes items";
    for (streams, host, worker, cause) in [
        (TO_WORKER, ITEM_BYTES, 0, own),
        (BOTH, ITEM_BYTES, 0, own),
        (TO_HOST, 0, ITEM_BYTES, peer),
        (BOTH, 0, ITEM_BYTES, peer),
    ] {
        let mut pair = scene().with_admissions(takes(host), takes(worker));
        let request = with_streams(streams);
        let result = to_worker(&mut pair, Frame::Request { id: id(1), request });
        assert_breach(result, cause);
    }
}

#[test]
fn a_oneway_message_with_streams_is_refused() {
    for streams in [TO_HOST, TO_WORKER, BOTH] {
        let mut pair = streaming_scene();
        let error = pair.send(Host, id(1), with_streams(streams)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_idle(&mut pair);

        pair.send(Host, id(1), request("line")).unwrap();
        let mut frame = pair.connection_mut(Host).poll_transmit().unwrap();
        frame.set_streams(streams);
        let result = to_worker(&mut pair, frame);
        assert_breach(result, "a oneway message and has a stream of items");
    }
}

#[test]
fn an_item_without_an_encoding_is_the_answer_of_its_handler_and_ends_its_streams() {
    let mut pair = streaming_scene();
    streaming(&mut pair, 1, BOTH);
    pair.connection_mut(Worker).send_item(Role::Callee, &id(1), Body::empty());
    assert!(pair.refuse(Worker, Error::new(ErrorKind::TooLarge, "too large")).is_none());
    // The id belongs to the request until its handler has ended.
    assert_eq!(pair.connection(Worker).serving(), 1);
    assert!(pair.transmit(Worker).is_none());
    assert_eq!(pair.connection(Worker).sending(Role::Callee, &id(1)), Sending::Ended);
    assert_eq!(pair.connection_mut(Worker).poll_stream(), Some((Role::Callee, id(1))));
    assert_eq!(taken(&mut pair, Worker, Role::Callee, 1), (0, Receiving::Closed));
    // More than the credit, because nobody counts them.
    for _ in 0..10 {
        assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, ITEM_BYTES)));
    }
    assert_passed_over(to_worker(&mut pair, Frame::ItemsEnd { id: id(1) }));
    pair.answer(Worker, &id(1), reply("all sent"));
    pair.transmit(Worker);
    let Some(Event::StreamEnded { end, .. }) = pair.deliver(Host).unwrap() else { panic!("no end") };
    assert_eq!(end.result.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn a_timeout_names_a_caller_for_which_its_stream_waits() {
    // Number of items that the worker sends, and that the host finishes and sends.
    for (streams, sent, finished, own, cause) in [
        (TO_HOST, 0, 0, 0, None),
        (TO_HOST, 2, 2, 0, None),
        (TO_HOST, 2, 1, 0, Some("had not finished the items that had arrived")),
        (TO_WORKER, 0, 0, 2, Some("had not sent all of its items")),
        (TO_WORKER, 0, 0, 3, None),
        (BOTH, 2, 2, 3, None),
    ] {
        let mut pair = streaming_scene();
        pair.call(Host, id(1), with_streams(streams), Some(ms(10)), "call").unwrap();
        pair.settle().unwrap();
        for _ in 0..sent {
            pair.connection_mut(Worker).send_item(Role::Callee, &id(1), Body::empty());
        }
        for _ in 0..own {
            pair.connection_mut(Host).send_item(Role::Caller, &id(1), Body::empty());
        }
        pair.settle().unwrap();
        let cost = finished * Admission::MIN_ITEM_BYTES;
        pair.connection_mut(Host).finish_items(Role::Caller, &id(1), cost);
        pair.advance(ms(10));
        let mut events = pair.expire(Host);
        let Some(Event::StreamEnded { end, .. }) = events.pop() else { panic!("{events:?}") };
        assert_eq!(end.waited_for_owner, cause.is_some(), "{streams:?} {sent} {finished} {own}");
        let text = end.result.unwrap_err().to_string();
        assert!(text.contains(cause.unwrap_or("was not answered within 10ms")), "{text}");
    }
}

#[test]
fn many_streams_that_are_opened_and_cancelled_leave_nothing() {
    let mut pair = streaming_scene();
    for _ in 0..10_000 {
        let request = with_streams(BOTH);
        let event = to_worker(&mut pair, Frame::Request { id: id(1), request }).unwrap();
        assert!(matches!(event, Some(Event::Requested(_))));
        assert_passed_over(to_worker(&mut pair, item(1, Role::Caller, 1000)));
        assert!(to_worker(&mut pair, Frame::Cancel { id: id(1) }).unwrap().is_some());
        pair.answer(Worker, &id(1), reply(""));
        assert!(matches!(pair.transmit(Worker), Some(Frame::Error { .. })));
        assert!(pair.deliver(Host).unwrap().is_none());
        // The owner looks for streams with something new after each frame.
        while pair.connection_mut(Worker).poll_stream().is_some() {}
    }
    assert_idle(&mut pair);
}

#[test]
fn calls_that_end_while_a_long_queue_has_their_items_are_retracted_without_a_search() {
    const CALLS: u64 = 60_000;
    let (ended, end) = channel();
    // A search for each call takes minutes.
    thread::spawn(move || {
        let mut host = Connection::with_admission(Admission::WORKER, Admission::WORKER);
        for number in 0..CALLS {
            host.call(id(number), with_streams(BOTH), NO_LIMIT, ()).unwrap();
            host.send_item(Role::Caller, &id(number), Body::empty());
            host.end_items(&id(number));
        }
        for number in 0..CALLS {
            assert!(host.cancel(&id(number), Instant::now()).is_some());
        }
        let _ = ended.send((host.poll_transmit().is_none(), host.in_flight()));
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok((true, 0)));
}
