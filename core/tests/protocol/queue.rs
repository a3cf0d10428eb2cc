use isolated_workers_core::protocol::{Admission, MAX_UNREAD_ANSWER_BYTES};
use isolated_workers_core::testing::Endpoint::{Host, Worker};
use isolated_workers_core::{ErrorKind, Frame, Metadata};

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
    assert!(matches!(pair.transmit(Worker), Some(Frame::GoAway(_))));
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
fn queued_bytes_count_metadata_and_text_ids() {
    let mut pair = scene();
    let with_metadata = |mut metadata: Metadata| {
        metadata.insert("key", "v".repeat(10_000));
        metadata
    };
    let mut call = request("");
    *call.metadata_mut() = with_metadata(Metadata::new());
    pair.call(Host, id(1), call, NO_LIMIT, "call").unwrap();
    assert!((10_000..11_000).contains(&pair.connection(Host).queued_bytes()));
    pair.transmit(Host);
    assert_eq!(pair.connection(Host).queued_bytes(), 0);
    pair.deliver(Worker).unwrap();
    pair.call(Host, TxId::from("i".repeat(10_000).as_str()), request(""), NO_LIMIT, "long id").unwrap();
    assert!((10_000..11_000).contains(&pair.connection(Host).queued_bytes()));
    pair.transmit(Host);
    pair.deliver(Worker).unwrap();

    let answer = Response::with_metadata(Body::default(), with_metadata(Metadata::new()));
    pair.answer(Worker, &id(1), Ok(answer));
    assert!((10_000..11_000).contains(&pair.connection(Worker).queued_bytes()));
    pair.answer(Worker, &TxId::from("i".repeat(10_000).as_str()), reply(""));
    assert!((20_000..22_000).contains(&pair.connection(Worker).queued_bytes()));
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

#[test]
fn one_pong_answers_all_pings_before_it() {
    for from in Endpoint::BOTH {
        let mut pair = scene();
        for _ in 0..2 {
            for _ in 0..1000 {
                pair.inject(from, Frame::Ping);
                assert!(pair.deliver(from.other()).unwrap().is_none());
            }
            assert!(matches!(pair.transmit(from.other()), Some(Frame::Pong)));
            assert!(pair.transmit(from.other()).is_none());
        }
    }
}

#[test]
fn a_peer_that_never_reads_its_answers_breaks_the_protocol_at_the_bound() {
    let long = "x".repeat(10_000);
    // The answers are replies, refusals with a long name, and errors with a long id.
    type Flood<'a> = (&'a str, fn(&mut Scene, &TxId), Box<dyn Fn(u64) -> (TxId, Name)>);
    let error = |pair: &mut Scene, id: &TxId| {
        pair.answer(Worker, id, Err(Error::new(ErrorKind::UnknownMessage, "no")));
    };
    let (name, text) = (Name::from(&*long), long.clone());
    let floods: [Flood<'_>; 3] = [
        (
            "replies",
            |pair, id| pair.answer(Worker, id, reply(&"x".repeat(10_000))),
            Box::new(|number| (id(number), "work".into())),
        ),
        ("long names", error, Box::new(move |number| (id(number), name.clone()))),
        ("long ids", error, Box::new(move |number| (TxId::from(&*format!("{text}{number}")), "work".into()))),
    ];
    for (what, answer, next) in floods {
        let mut pair = scene();
        let mut requests = 0;
        let error = loop {
            let (id, name) = next(requests);
            pair.inject(Host, Frame::request(id.clone(), name, Body::empty(), Metadata::new(), false, None));
            match pair.deliver(Worker) {
                Ok(_) => answer(&mut pair, &id),
                Err(error) => break error,
            }
            requests += 1;
            assert!(requests < 1000, "{what} without bound");
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}");
        assert!(error.to_string().contains(&MAX_UNREAD_ANSWER_BYTES.to_string()), "{error}");
        assert!(requests * 11_000 >= MAX_UNREAD_ANSWER_BYTES as u64, "{what}: {requests}");
    }
}

#[test]
fn cancels_without_a_reader_break_the_protocol_at_the_bound() {
    let mut pair = scene();
    let error = (0..MAX_UNREAD_ANSWER_BYTES as u64).find_map(|number| {
        let (name, body) = (Name::from_static("work"), Body::empty());
        pair.inject(Host, Frame::request(id(number), name, body, Metadata::new(), false, None));
        pair.inject(Host, Frame::Cancel { id: id(number) });
        pair.deliver(Worker).and_then(|_| pair.deliver(Worker)).err()
    });
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Protocol));
}

#[test]
fn an_answer_that_was_sent_no_longer_counts() {
    let mut pair = scene();
    for number in 0..2000 {
        handled(&mut pair, number, "call");
        pair.answer(Worker, &id(number), reply(&"x".repeat(10_000)));
        assert!(pair.transmit(Worker).is_some());
    }
}

#[test]
fn a_peer_may_leave_a_bounded_number_of_requests_unanswered() {
    let mut pair = scene();
    for number in 0..Admission::UNANNOUNCED.requests as u64 {
        assert!(!pair.connection(Host).has_max_calls());
        handled(&mut pair, number, "call");
    }
    assert!(pair.connection(Host).has_max_calls());
    // A oneway message is not answered, so it does not count.
    pair.send(Host, id(0), request("")).unwrap();
    pair.transmit(Host);
    assert!(pair.deliver(Worker).is_ok());
    let error = forced(&mut pair, Admission::UNANNOUNCED.requests as u64, "one too many", false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("65536 requests"), "{error}");
}

const LITTLE: Admission =
    Admission { requests: 2, request_bytes: 100, oneway_bytes: 2 * 4096, item_bytes: 0 };

fn with_little_room() -> Scene {
    scene().with_admissions(LITTLE, LITTLE)
}

/// Sends a frame of `number`, as a peer that never waits, and delivers it.
fn forced(pair: &mut Scene, number: u64, body: &str, oneway: bool) -> Result<(), Error> {
    forced_as(pair, id(number), body, oneway)
}

fn forced_as(pair: &mut Scene, id: TxId, body: &str, oneway: bool) -> Result<(), Error> {
    let body = Body::from(body.as_bytes().to_vec());
    pair.inject(Host, Frame::request(id, "work".into(), body, Metadata::new(), oneway, None));
    pair.deliver(Worker).map(drop)
}

#[test]
fn a_call_waits_until_the_peer_takes_it() {
    let mut pair = with_little_room();
    handled(&mut pair, 1, "call");
    assert!(!pair.connection(Host).has_max_calls());
    handled(&mut pair, 2, "call");
    assert!(pair.connection(Host).has_max_calls(), "two requests are the maximum");
    pair.answer(Worker, &id(1), reply("done"));
    assert!(pair.connection(Host).has_max_calls(), "the answer has not arrived");
    pair.settle().unwrap();
    assert!(!pair.connection(Host).has_max_calls());
}

#[test]
fn held_calls_are_sent_in_order_once_the_peer_takes_them() {
    let mut pair = with_little_room();
    for number in 1..=6 {
        pair.call(Host, id(number), request("call"), NO_LIMIT, "call").unwrap();
    }
    assert_eq!((pair.connection(Host).in_flight(), pair.connection(Host).held()), (6, 4));
    // A held call can be retracted, and an answer to it is ignored.
    assert!(pair.cancel(Host, &id(4)).is_some());
    pair.inject(Worker, Frame::reply(id(5), "".into(), Body::empty(), Metadata::new()));
    assert!(pair.deliver(Host).unwrap().is_none());
    let mut arrived = Vec::new();
    loop {
        let events = pair.settle().unwrap();
        let requests = events.iter().filter_map(|(_, event)| match event {
            Event::Requested(request) => request.id().cloned(),
            _ => None,
        });
        let before = arrived.len();
        arrived.extend(requests);
        if arrived.len() == before {
            break;
        }
        for id in &arrived[before..] {
            pair.answer(Worker, id, reply("done"));
        }
    }
    assert_eq!(arrived, [1, 2, 3, 5, 6].map(id));
    assert_idle(&mut pair);
}

#[test]
fn a_held_call_times_out_as_not_sent() {
    let mut pair = with_little_room();
    for number in 1..=3 {
        let timeout = (number == 3).then_some(Duration::from_millis(10));
        pair.call(Host, id(number), request("call"), timeout, "call").unwrap();
    }
    pair.settle().unwrap();
    pair.advance(Duration::from_millis(10));
    let events = pair.expire(Host);
    let [Event::Answered { result: Err(error), .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::No));
    assert!(error.to_string().contains("has not answered as many earlier requests as it takes"), "{error}");
    assert_eq!((pair.connection(Host).in_flight(), pair.connection(Host).given_up()), (2, 0));
}

#[test]
fn a_large_call_is_taken_and_the_next_one_waits() {
    let mut pair = with_little_room();
    pair.call(Host, id(1), request(&"x".repeat(1000)), NO_LIMIT, "call").unwrap();
    assert!(pair.connection(Host).has_max_calls());
    pair.settle().unwrap();
    pair.cancel(Host, &id(1));
    assert!(pair.connection(Host).has_max_calls(), "the worker may still run it");
    pair.settle().unwrap();
    pair.answer(Worker, &id(1), reply("done"));
    pair.settle().unwrap();
    assert!(!pair.connection(Host).has_max_calls());
}

#[test]
fn oneway_messages_wait_for_credit() {
    let mut pair = with_little_room();
    for number in 1..=2 {
        assert!(!pair.connection(Host).has_max_oneways());
        pair.send(Host, id(number), request("note")).unwrap();
    }
    assert!(pair.connection(Host).has_max_oneways());
    assert!(!pair.connection(Host).has_max_calls());
    pair.settle().unwrap();
    pair.connection_mut(Worker).finish_oneways(Admission::oneway_cost(request("note").bytes()));
    pair.settle().unwrap();
    assert!(!pair.connection(Host).has_max_oneways());
}

#[test]
fn a_oneway_message_that_was_not_encoded_needs_no_credit() {
    let mut pair = with_little_room();
    pair.send(Host, id(1), request(&"x".repeat(10_000))).unwrap();
    assert!(pair.connection(Host).has_max_oneways());
    pair.refuse(Host, Error::new(ErrorKind::TooLarge, "too large"));
    assert!(!pair.connection(Host).has_max_oneways());
}

#[test]
fn a_peer_that_does_not_wait_breaks_the_protocol() {
    let full = "x".repeat(96);
    for (oneway, bodies) in [(false, vec!["", "", ""]), (false, vec![&full, ""]), (true, vec!["", "", ""])] {
        let mut pair = with_little_room();
        let (last, first) = bodies.split_last().unwrap();
        for (number, body) in (0..).zip(first) {
            forced(&mut pair, number, body, oneway).unwrap();
        }
        let error = forced(&mut pair, 99, last, oneway).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("make the peer wait"), "{error}");
    }
}

#[test]
fn long_ids_count_on_both_sides() {
    let long = TxId::from("i".repeat(10_000).as_str());
    let mut pair = with_little_room();
    pair.call(Host, long.clone(), request(""), NO_LIMIT, "call").unwrap();
    assert!(pair.connection(Host).has_max_calls());
    pair.settle().unwrap();
    pair.answer(Worker, &long, reply("done"));
    pair.settle().unwrap();
    assert!(!pair.connection(Host).has_max_calls());

    pair.send(Host, long.clone(), request("")).unwrap();
    assert!(pair.connection(Host).has_max_oneways());
    pair.refuse(Host, Error::new(ErrorKind::TooLarge, "too large"));
    assert!(!pair.connection(Host).has_max_oneways());

    for oneway in [false, true] {
        let mut pair = with_little_room();
        forced_as(&mut pair, long.clone(), "", oneway).unwrap();
        let error = forced_as(&mut pair, id(1), "", oneway).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
}

#[test]
fn answers_that_the_peer_does_not_read_count_as_unanswered_requests() {
    let mut pair = with_little_room();
    for number in 0..2 {
        forced(&mut pair, number, "", false).unwrap();
        pair.answer(Worker, &id(number), reply("done"));
    }
    assert_eq!(forced(&mut pair, 2, "", false).unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn credit_without_use_is_ignored() {
    let mut pair = with_little_room();
    pair.inject(Worker, Frame::Credit { bytes: u64::MAX });
    assert!(pair.deliver(Host).unwrap().is_none());
    pair.send(Host, id(1), request("")).unwrap();
    pair.send(Host, id(2), request("")).unwrap();
    assert!(pair.connection(Host).has_max_oneways());
}
