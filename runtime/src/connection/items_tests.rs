//! Tests of the items of calls that are refused, are not sent, wait, or run as suspects.

use std::pin::{Pin, pin};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use isolated_workers_codec::Postcard;
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::protocol::{Admission, Event};
use isolated_workers_core::{
    Body, Error, ErrorKind, Executed, Frame, Items, Limits, Message, Name, Never, Request, Response, Role,
    SequentialIds,
};
use isolated_workers_middleware::Service;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::link_calls::LinkCalls;
use super::{Availability, Call, CallTarget, ItemSender, Link, StreamRequest, Suspect};

#[derive(serde::Serialize, serde::Deserialize)]
struct Reminder;

impl Message for Reminder {
    const NAME: &'static str = "remind";
    const ONEWAY: bool = true;
    type Reply = ();
    type Error = Never;
}

/// Returns a link whose stream accepts `accepted_bytes`, and the stream of its peer, which takes
/// streams if it is `announced`.
fn link(accepted_bytes: usize, announced: bool) -> (Link<Postcard>, DuplexStream) {
    let (here, there) = duplex(accepted_bytes);
    let terms = match announced {
        true => Terms {
            own_admission: Admission::WORKER,
            peer_admission: Some(Admission::WORKER),
            ..Limits::default().into()
        },
        false => Limits::default().into(),
    };
    (Link::new(Postcard, terms, Arc::new(SequentialIds::default()), Duration::ZERO, here), there)
}

fn request(name: &'static str, items: Items) -> Request {
    let mut request = Request::new(Name::from_static(name), Body::empty());
    request.set_items(items);
    request
}

fn poll_once(call: Pin<&mut impl Future<Output = Result<Response, Error>>>) -> Poll<Result<Response, Error>> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns the error of a call that ends at its first poll.
fn refused(call: impl Future<Output = Result<Response, Error>>) -> Error {
    match poll_once(pin!(call)) {
        Poll::Ready(Err(error)) => error,
        other => panic!("the call was not refused: {other:?}"),
    }
}

/// Stream whose destructor locks its link.
struct LocksLink(Link<Postcard>);

impl Stream for LocksLink {
    type Item = Result<Body, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Drop for LocksLink {
    fn drop(&mut self) {
        self.0.is_idle();
    }
}

fn refuse_by_every_cause() {
    for (announced, kind) in [
        (true, ErrorKind::Invalid),
        (true, ErrorKind::DuplicateId),
        (false, ErrorKind::Unsupported),
        (true, ErrorKind::Closed),
    ] {
        let (link, _there) = link(1 << 16, announced);
        let items = || Items::new(LocksLink(link.clone()));
        let mut running = Request::new(Name::from_static("work"), Body::empty());
        running.set_id(1.into());
        let mut running = pin!(link.call(running));
        assert!(poll_once(running.as_mut()).is_pending());
        if kind == ErrorKind::Closed {
            link.stop_calls(Availability::Draining);
        }
        let mut request = request(if kind == ErrorKind::Invalid { "" } else { "work" }, items());
        if kind == ErrorKind::DuplicateId {
            request.set_id(1.into());
        }
        let error = refused(link.call(request));
        assert_eq!((error.kind(), error.executed()), (kind, Executed::No), "{error}");
        let mut reminder = Request::of::<Reminder>(Body::empty());
        reminder.set_items(items());
        let error = refused(link.call(reminder));
        assert_eq!(error.executed(), Executed::No, "{error}");
    }
}

#[test]
fn the_items_of_a_refused_call_are_dropped_without_the_lock() {
    let (ended, end) = channel::<()>();
    // A deadlock blocks the thread.
    let test = thread::spawn(move || {
        let _ended = ended;
        refuse_by_every_cause();
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(30)), Err(RecvTimeoutError::Disconnected), "a deadlock");
    test.join().unwrap();
}

#[test]
fn a_refused_call_leaves_its_items_to_the_next_attempt() {
    let (link, _there) = link(1 << 16, true);
    let (other, _other_there) = self::link(1 << 16, true);
    let request = request("work", Items::none());
    link.stop_calls(Availability::Draining);
    assert_eq!(refused(link.call(request.clone())).kind(), ErrorKind::Closed);
    assert!(request.is_repeatable());
    let mut next = pin!(other.call(request));
    assert!(poll_once(next.as_mut()).is_pending());
}

#[test]
fn a_request_whose_items_were_taken_is_not_sent() {
    let (link, _there) = link(1 << 16, true);
    let request = request("work", Items::none());
    let mut first = pin!(link.call(request.clone()));
    assert!(poll_once(first.as_mut()).is_pending());
    let sent = link.lock().connection.sent_requests();
    let error = refused(link.call(request));
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Invalid, Executed::No), "{error}");
    assert_eq!(link.lock().connection.sent_requests(), sent);
}

/// Target with one worker.
struct Only<'a>(&'a Link<Postcard>);

impl CallTarget for Only<'_> {
    type Codec = Postcard;
    const NEEDS_PERMIT: bool = true;

    fn link(&self) -> &Link<Postcard> {
        self.0
    }
}

#[test]
fn an_unsent_request_is_returned_only_with_all_of_its_items() {
    // The stream accepts a part of the first request.
    let (link, _there) = link(10, true);
    link.open_permits(4, u64::MAX, u64::MAX);
    let mut first =
        pin!(Call::new(Only(&link), Request::new(Name::from_static("work"), Body::from(vec![0; 99]))));
    assert!(poll_once(first.as_mut()).is_pending());
    let one = || stream::iter([Ok(Body::empty())]);
    let items = [Items::none(), Items::new(one()), Items::new(stream::pending())];
    let mut calls: Vec<_> =
        items.map(|items| Call::new(Only(&link), request("work", items))).into_iter().collect();
    for call in &mut calls {
        // The second poll takes items.
        for _ in 0..2 {
            assert!(poll_once(Pin::new(&mut *call)).is_pending());
        }
    }
    link.fail(Availability::Closed, |_| Error::new(ErrorKind::Crashed, "the worker is gone"));
    let mut ended = calls.iter_mut().map(|call| (poll_once(Pin::new(&mut *call)), call.take_unsent()));
    for _ in 0..2 {
        let Some((Poll::Ready(Err(error)), None)) = ended.next() else { panic!("the items were lost") };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::No), "{error}");
    }
    let Some((Poll::Ready(_), Some(unsent))) = ended.next() else { panic!("no item was taken") };
    assert!(unsent.request.is_repeatable());
}

struct Noop;

impl Wake for Noop {
    fn wake(self: Arc<Self>) {}
}

/// Returns a waker, and a reference that tells whether a clone of it is left.
fn waker() -> (Waker, Weak<Noop>) {
    let waker = Arc::new(Noop);
    let left = Arc::downgrade(&waker);
    (waker.into(), left)
}

/// Returns a link whose queue is too full for an item, and the call that has filled it.
fn full_link() -> (Link<Postcard>, DuplexStream, impl Future<Output = Result<Response, Error>>) {
    let (link, there) = link(10, true);
    let large = Request::new(Name::from_static("large"), Body::from(vec![0; 300 << 10]));
    let mut call = Box::pin(Call::new(Own(link.clone()), large));
    assert!(poll_once(call.as_mut()).is_pending());
    (link, there, call)
}

/// Target of a call that owns its link.
struct Own(Link<Postcard>);

impl CallTarget for Own {
    type Codec = Postcard;
    const NEEDS_PERMIT: bool = false;

    fn link(&self) -> &Link<Postcard> {
        &self.0
    }
}

#[test]
fn a_call_that_has_ended_leaves_no_waker_to_a_full_queue() {
    let (link, _there, _large) = full_link();
    for is_timed_out in [false, true] {
        let (waker, left) = waker();
        let mut request = request("work", Items::new(stream::iter([Ok(Body::empty())])));
        request.set_timeout(Some(Duration::from_millis(1)));
        let mut call = Box::pin(link.call(request));
        let mut poll = || call.as_mut().poll(&mut Context::from_waker(&waker));
        // The first poll sends the request, and the second one would send an item.
        assert!(poll().is_pending() && poll().is_pending());
        if is_timed_out {
            LinkCalls::handle_timeout(&link, Instant::now() + Duration::from_secs(1));
            assert!(poll().is_ready());
        }
        drop((call, waker));
        assert!(left.upgrade().is_none(), "timed out: {is_timed_out}");
    }
}

#[test]
fn a_request_that_was_answered_leaves_no_waker_to_a_full_queue() {
    let (link, _there, _large) = full_link();
    let (waker, left) = waker();
    let mut request = Request::new(Name::from_static("count"), Body::empty());
    request.set_takes_items(true);
    let streams = link.change(|state| {
        let received = state.connection.handle_frame(Frame::Request { id: 1.into(), request });
        let Ok(Some(Event::Requested(mut request))) = received else { panic!("no request") };
        state.open_handler(&mut request, || Arc::new(link.clone()));
        Arc::clone(request.extensions().get::<Arc<StreamRequest>>().unwrap())
    });
    let mut sender = ItemSender::new(Items::new(stream::iter([Ok(Body::empty())])));
    assert!(sender.poll_request(&streams, &mut Context::from_waker(&waker)).is_pending());
    link.change(|state| state.answer(&1.into(), Ok(Response::default())));
    drop(waker);
    assert!(left.upgrade().is_none());
}

/// Waker of one of several calls, which records its wake-up.
struct Records(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Records {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[tokio::test]
async fn senders_are_woken_in_the_order_in_which_they_began_to_wait_for_space() {
    let (link, mut there, _large) = full_link();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut calls: Vec<_> = (0..9)
        .map(|_| Box::pin(link.call(request("work", Items::new(stream::iter([Ok(Body::empty())]))))))
        .collect();
    // The first poll sends the request. The others would send an item.
    for _ in 0..3 {
        for (number, call) in calls.iter_mut().enumerate() {
            let waker = Waker::from(Arc::new(Records(number, Arc::clone(&woken))));
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    woken.lock().unwrap().clear();
    let mut buffer = [0; 1024];
    tokio::select! {
        is_open = link.flush() => assert!(is_open),
        () = async { while there.read(&mut buffer).await.is_ok() {} } => panic!("the stream broke"),
    }
    assert_eq!(*woken.lock().unwrap(), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_suspect_whose_items_flow_lets_the_next_one_run() {
    let (link, _there) = link(1 << 16, true);
    let suspect = |id: u64| {
        let mut request = Request::new(Name::from_static("work"), Body::empty());
        request.extensions_mut().insert(Suspect);
        request.set_id(id.into());
        request
    };
    let mut receives = suspect(1);
    receives.set_takes_items(true);
    let mut receives = pin!(link.call(receives));
    assert!(poll_once(receives.as_mut()).is_pending());

    let mut sends = suspect(2);
    sends.set_items(Items::new(stream::iter([Ok(Body::empty())]).chain(stream::pending())));
    let mut sends = pin!(link.call(sends));
    assert!(poll_once(sends.as_mut()).is_pending());
    assert_eq!(link.lock().connection.in_flight(), 1);
    link.change(|state| {
        let item = Frame::Item { id: 1.into(), from: Role::Callee, body: Box::new(Body::empty()) };
        state.connection.handle_frame(item).unwrap();
        state.wake_streams();
    });
    assert!(poll_once(sends.as_mut()).is_pending());
    assert_eq!(link.lock().connection.in_flight(), 2);

    let mut last = pin!(link.call(suspect(3)));
    assert!(poll_once(last.as_mut()).is_pending());
    assert_eq!(link.lock().connection.in_flight(), 2);
    // Sends an item.
    assert!(poll_once(sends.as_mut()).is_pending());
    assert!(poll_once(last.as_mut()).is_pending());
    assert_eq!(link.lock().connection.in_flight(), 3);
    assert!(link.has_suspect());
}
