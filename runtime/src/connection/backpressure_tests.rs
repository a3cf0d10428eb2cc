//! Tests of both sides of a connection whose peer is slow.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Postcard};
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::{Body, Frame, Limits, Metadata, Name, Request, Response, SequentialIds, TxId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, sink};
use tokio_util::codec::{Decoder, Encoder};

use super::{Answer, Call, CloseReason, ConnectionTask, Link, RejectAll, RequestHandler};

const REQUESTS: usize = 256;
const ANSWER_BYTES: usize = 1 << 20;

/// Handler that answers at once, or counts unfinished oneway messages.
#[derive(Default)]
struct Counting {
    started: usize,
    unfinished: usize,
    max_unfinished: usize,
    finished_oneways: usize,
}

impl RequestHandler for Counting {
    const SERVES: bool = true;
    const IS_WORKER: bool = true;

    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, _: &mut Context<'_>) {
        for request in requests.drain(..) {
            self.started += 1;
            if request.is_oneway() {
                self.unfinished += 1;
            } else {
                let response = Response::new(Body::from(vec![7; ANSWER_BYTES]));
                answers.push((request.id().unwrap().clone(), Ok(response)));
            }
        }
    }

    fn cancel(&mut self, _: &TxId) {}

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }

    fn take_finished_oneways(&mut self) -> usize {
        std::mem::take(&mut self.finished_oneways)
    }

    fn is_full(&self) -> bool {
        self.unfinished >= self.max_unfinished
    }

    fn is_idle(&self) -> bool {
        true
    }
}

type Server = ConnectionTask<Postcard, DuplexStream, Counting>;

/// Terms between two sides that take what a worker takes.
fn announced() -> Terms {
    let (own_admission, peer_admission) = (Admission::WORKER, Some(Admission::WORKER));
    Terms { own_admission, peer_admission, ..Limits::default().into() }
}

fn requests(oneway: bool) -> BytesMut {
    let mut wire = BytesMut::new();
    for number in 0..REQUESTS as u64 {
        let (name, metadata) = (Name::from("work"), Metadata::new());
        let frame = Frame::request(number.into(), name, Body::empty(), metadata, oneway, None);
        Postcard.framing(Limits::default()).encode(&frame, &mut wire).unwrap();
    }
    wire
}

/// Returns a server whose input has room for `input` bytes, and the peer's ends of its stream.
fn new_server(terms: Terms, max_unfinished: usize, input: usize) -> (Server, DuplexStream, DuplexStream) {
    let (here, output) = duplex(1 << 16);
    let (input, reader) = duplex(input);
    let link = Link::new(Postcard, terms, Arc::new(SequentialIds::default()), Duration::ZERO, here);
    let handler = Counting { max_unfinished, ..Counting::default() };
    (ConnectionTask::new(link, Limits::default(), reader, BytesMut::new(), handler), input, output)
}

/// Returns a server that requests wait for, and the peer's ends of its stream.
async fn server(max_unfinished: usize, oneway: bool) -> (Server, DuplexStream, DuplexStream) {
    let (server, mut input, output) = new_server(Limits::default().into(), max_unfinished, 1 << 20);
    input.write_all(&requests(oneway)).await.unwrap();
    (server, input, output)
}

/// Reads frames until `count` of them were read.
async fn read_frames(output: &mut DuplexStream, count: usize) -> Vec<Frame> {
    let mut framing = Postcard.framing(Limits::default());
    let (mut wire, mut frames) = (BytesMut::new(), Vec::new());
    while frames.len() < count {
        output.read_buf(&mut wire).await.unwrap();
        while let Some(frame) = framing.decode(&mut wire).unwrap() {
            frames.push(frame);
        }
    }
    frames
}

fn poll(server: &mut Server) -> Poll<CloseReason> {
    Pin::new(server).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn requests_wait_while_the_peer_does_not_read_its_answers() {
    let (mut server, _input, mut output) = server(1, false).await;
    for _ in 0..100 {
        assert!(poll(&mut server).is_pending());
    }
    assert!(server.handler().started <= 16, "{} answers of 1 MiB are in memory", server.handler().started);
    // Once the peer reads, all requests are answered.
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        answers = read_frames(&mut output, REQUESTS) => {
            assert!(answers.iter().all(|answer| answer.body().unwrap().len() == ANSWER_BYTES));
        }
    }
}

#[tokio::test]
async fn a_side_with_admission_reads_on_while_the_peer_does_not_read_its_answers() {
    // The input has room for a few requests only, so that they arrive only if they are read.
    let (mut server, mut input, mut output) = new_server(announced(), usize::MAX, 64);
    let requests = requests(false);
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        written = input.write_all(&requests) => written.unwrap(),
    }
    assert!(poll(&mut server).is_pending());
    assert!(server.handler().started <= 24, "{} answers of 1 MiB are in memory", server.handler().started);
    assert!(!server.is_idle());
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        answers = read_frames(&mut output, REQUESTS) => {
            let ids = answers.iter().map(|answer| answer.id().unwrap().clone());
            assert!(ids.eq((0..REQUESTS as u64).map(TxId::from)), "the requests start in order");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_while_it_waits_never_starts() {
    let (mut server, mut input, mut output) = new_server(announced(), usize::MAX, 1 << 20);
    input.write_all(&requests(false)).await.unwrap();
    assert!(poll(&mut server).is_pending());
    let mut wire = BytesMut::new();
    let last = TxId::from(REQUESTS as u64 - 1);
    Postcard.framing(Limits::default()).encode(&Frame::Cancel { id: last.clone() }, &mut wire).unwrap();
    input.write_all(&wire).await.unwrap();
    assert!(poll(&mut server).is_pending());
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        answers = read_frames(&mut output, REQUESTS) => {
            let answer = answers.into_iter().find(|answer| answer.id() == Some(&last));
            assert!(matches!(answer, Some(Frame::Error { .. })), "{answer:?}");
        }
    }
    assert_eq!(server.handler().started, REQUESTS - 1);
}

#[tokio::test]
async fn unfinished_oneway_messages_stop_no_reading_and_get_credit_when_they_are_finished() {
    let own_admission =
        Admission { oneway_bytes: REQUESTS * Admission::MIN_ONEWAY_BYTES, ..Admission::WORKER };
    let terms = Terms { own_admission, ..announced() };
    let (mut server, mut input, mut output) = new_server(terms, 1, 64);
    let ping = {
        let mut wire = BytesMut::new();
        Postcard.framing(Limits::default()).encode(&Frame::Ping, &mut wire).unwrap();
        wire
    };
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        frames = async {
            input.write_all(&requests(true)).await.unwrap();
            input.write_all(&ping).await.unwrap();
            read_frames(&mut output, 1).await
        } => assert!(matches!(frames[..], [Frame::Pong]), "{frames:?}"),
    }
    assert_eq!(server.handler().started, REQUESTS);
    server.handler_mut().finished_oneways = REQUESTS * Admission::MIN_ONEWAY_BYTES;
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        frames = read_frames(&mut output, 1) => {
            let cost = (REQUESTS * Admission::MIN_ONEWAY_BYTES) as u64;
            assert!(matches!(frames[..], [Frame::Credit { bytes }] if bytes == cost), "{frames:?}");
        }
    }
}

#[tokio::test]
async fn two_sides_that_call_each_other_over_a_small_stream_both_get_their_answers() {
    let (left, right) = (duplex(4 << 10), duplex(4 << 10));
    let mut links = Vec::new();
    for (writer, reader) in [(left.0, right.1), (right.0, left.1)] {
        let link =
            Link::new(Postcard, announced(), Arc::new(SequentialIds::default()), Duration::ZERO, writer);
        let handler = Counting { max_unfinished: 1, ..Counting::default() };
        tokio::spawn(ConnectionTask::new(link.clone(), Limits::default(), reader, BytesMut::new(), handler));
        links.push(link);
    }
    let calls = links.iter().flat_map(|link| {
        (0..REQUESTS / 4).map(move |_| {
            let body = Body::from(vec![7; ANSWER_BYTES / 4]);
            Call::new(link, Request::new(Name::from("work"), body))
        })
    });
    let answers = futures_util::future::join_all(calls);
    let answers = tokio::time::timeout(Duration::from_secs(60), answers).await.expect("every call ends");
    assert!(answers.into_iter().all(|answer| answer.unwrap().body().len() == ANSWER_BYTES));
}

#[tokio::test]
async fn requests_before_the_end_of_the_stream_are_handled_however_slowly() {
    let (mut server, input, _output) = server(10, true).await;
    drop(input);
    let mut started = 0;
    loop {
        let ended = poll(&mut server);
        let now = server.handler().started;
        assert!(now - started <= 10 + 8, "{} requests started at once", now - started);
        started = now;
        server.handler_mut().unfinished = 0;
        if let Poll::Ready(reason) = ended {
            assert!(matches!(reason, CloseReason::Eof), "{reason:?}");
            break;
        }
    }
    assert_eq!(started, REQUESTS);
}

#[tokio::test]
async fn a_call_waits_while_the_peer_has_too_many_unanswered_requests() {
    let (here, mut peer) = duplex(1 << 16);
    let (_output, reader) = duplex(16);
    tokio::spawn(async move { tokio::io::copy(&mut peer, &mut sink()).await });
    let ids = Arc::new(SequentialIds::default());
    let link = Link::new(Postcard, Limits::default(), ids, Duration::ZERO, here);
    let limits = Limits::default();
    tokio::spawn(ConnectionTask::new(link.clone(), limits, reader, BytesMut::new(), RejectAll::default()));
    let request = |timeout: Option<Duration>| {
        let mut request = Request::new(Name::from("work"), Body::empty());
        request.set_timeout(timeout);
        request
    };
    let mut calls = Vec::new();
    for number in 0..Admission::UNANNOUNCED.requests {
        let mut call = Box::pin(Call::new(&link, request(None)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        calls.push(call);
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let error = Call::new(&link, request(Some(Duration::from_millis(1)))).await.unwrap_err();
    assert!(error.to_string().contains("has not answered as many earlier requests as it takes"), "{error}");
}
