//! Tests of calls for which earlier calls wait.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use isolated_workers_codec::Postcard;
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::{
    Body, Error, ErrorKind, Executed, Limits, Message, Name, Never, Request, Response, SequentialIds,
};
use isolated_workers_middleware::Service;
use tokio::io::{DuplexStream, duplex};

use super::{Link, Suspect};

#[derive(serde::Serialize, serde::Deserialize)]
struct Note;

impl Message for Note {
    const NAME: &'static str = "note";
    const ONEWAY: bool = true;
    type Reply = ();
    type Error = Never;
}

/// Returns a link to a worker that takes one unfinished oneway message, and the stream of the
/// worker.
fn link() -> (Link<Postcard>, DuplexStream) {
    let (here, there) = duplex(1 << 16);
    let peer_admission = Some(Admission { oneway_bytes: 1, ..Admission::WORKER });
    let terms = Terms { peer_admission, ..Limits::default().into() };
    (Link::new(Postcard, terms, Arc::new(SequentialIds::default()), Duration::ZERO, here), there)
}

fn suspect() -> Request {
    let mut request = Request::new(Name::from_static("work"), Body::empty());
    request.extensions_mut().insert(Suspect);
    request
}

fn poll_once(call: Pin<&mut impl Future<Output = Result<Response, Error>>>) -> Poll<Result<Response, Error>> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

fn assert_would_deadlock(call: impl Future<Output = Result<Response, Error>>, text: &str) {
    let Poll::Ready(Err(error)) = poll_once(pin!(call)) else { panic!("the call waits") };
    assert_eq!((error.kind(), error.executed()), (ErrorKind::WouldDeadlock, Executed::No), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn a_nested_suspect_does_not_wait_for_another_one() {
    let (link, _there) = link();
    let mut running = pin!(link.call(suspect()));
    assert!(poll_once(running.as_mut()).is_pending());
    let mut nested = suspect();
    nested.set_nested();
    assert_would_deadlock(link.call(nested), "is being retried");
    let mut waiting = pin!(link.call(suspect()));
    assert!(poll_once(waiting.as_mut()).is_pending());
}

#[tokio::test]
async fn a_nested_oneway_message_does_not_wait_until_others_are_finished() {
    let (link, _there) = link();
    let note = || Request::of::<Note>(Body::empty());
    assert!(poll_once(pin!(link.call(note()))).is_ready());
    let mut nested = note();
    nested.set_nested();
    assert_would_deadlock(link.call(nested), "has not finished as many earlier oneway messages");
    assert!(poll_once(pin!(link.call(note()))).is_pending());
}
