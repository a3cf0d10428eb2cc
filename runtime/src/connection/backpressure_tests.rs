//! Tests of both sides of a connection whose peer is slow.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Postcard};
use isolated_workers_core::protocol::MAX_UNANSWERED_REQUESTS;
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
}

impl RequestHandler for Counting {
    const SERVES: bool = true;

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

    fn is_full(&self) -> bool {
        self.unfinished >= self.max_unfinished
    }

    fn is_idle(&self) -> bool {
        true
    }
}

type Server = ConnectionTask<Postcard, DuplexStream, Counting>;

/// Returns a server that `requests` wait for, and the peer's ends of its stream.
async fn server(max_unfinished: usize, oneway: bool) -> (Server, DuplexStream, DuplexStream) {
    let (here, output) = duplex(1 << 16);
    let (mut input, reader) = duplex(1 << 20);
    let mut wire = BytesMut::new();
    for number in 0..REQUESTS as u64 {
        let (name, metadata) = (Name::from("work"), Metadata::new());
        let frame = Frame::request(number.into(), name, Body::empty(), metadata, oneway, None);
        Postcard.framing(Limits::default()).encode(&frame, &mut wire).unwrap();
    }
    input.write_all(&wire).await.unwrap();
    let ids = Arc::new(SequentialIds::default());
    let link = Link::new(Postcard, Limits::default(), ids, Duration::ZERO, here);
    let handler = Counting { max_unfinished, ..Counting::default() };
    (ConnectionTask::new(link, Limits::default(), reader, BytesMut::new(), handler), input, output)
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
    let read = async {
        let mut framing = Postcard.framing(Limits::default());
        let (mut wire, mut answers) = (BytesMut::new(), 0);
        while answers < REQUESTS {
            output.read_buf(&mut wire).await.unwrap();
            while let Some(frame) = framing.decode(&mut wire).unwrap() {
                assert_eq!(frame.body().unwrap().len(), ANSWER_BYTES);
                answers += 1;
            }
        }
    };
    tokio::select! {
        reason = &mut server => panic!("{reason:?}"),
        () = read => {}
    }
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
    tokio::spawn(ConnectionTask::new(link.clone(), limits, reader, BytesMut::new(), RejectAll));
    let request = |timeout: Option<Duration>| {
        let mut request = Request::new(Name::from("work"), Body::empty());
        request.set_timeout(timeout);
        request
    };
    let mut calls = Vec::new();
    for number in 0..MAX_UNANSWERED_REQUESTS {
        let mut call = Box::pin(Call::new(&link, request(None)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        calls.push(call);
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let error = Call::new(&link, request(Some(Duration::from_millis(1)))).await.unwrap_err();
    assert!(error.to_string().contains("has not answered 65536 earlier requests"), "{error}");
}
