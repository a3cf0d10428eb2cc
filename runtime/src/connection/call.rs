use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response, TxId};
use tokio::time::{Sleep, sleep};

use super::Link;

/// A call on its way. Dropping it gives the call up.
pub(crate) struct Call<L: Linked> {
    linked: L,
    /// Whether it has a seat, where a worker has so many only.
    is_seated: bool,
    progress: Progress,
}

/// What holds the link of a call.
pub(crate) trait Linked {
    type Codec: Codec;
    /// Whether a call needs a seat at its worker. One that finds none, or whose worker has ended before it was sent, is not
    /// made: [`Call::take_missed`] has its request then.
    const HAS_SEATS: bool = false;

    fn link(&self) -> &Link<Self::Codec>;

    /// Chooses the worker for a call that has no seat. `false`: none has one to give.
    fn choose(&mut self) -> bool {
        true
    }

    /// A seat is free again. `is_due`: the worker has had as many calls as it is to have.
    fn vacated(&self, _is_due: bool) {}
}

impl<C: Codec> Linked for &Link<C> {
    type Codec = C;

    fn link(&self) -> &Link<C> {
        self
    }
}

enum Progress {
    New(Request),
    Parked(Box<Parked>),
    Waiting { place: usize, id: TxId },
    Missed(Request),
    Done,
}

/// A call that waits for room in the queue, or for a worker that is being started. Its time runs.
struct Parked {
    request: Request,
    key: u64,
    since: Instant,
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<L: Linked> Call<L> {
    pub(crate) fn new(linked: L, request: Request) -> Self {
        Self { linked, is_seated: false, progress: Progress::New(request) }
    }

    /// A call that has a seat already.
    pub(crate) fn seated(linked: L, request: Request) -> Self {
        Self { linked, is_seated: true, progress: Progress::New(request) }
    }

    /// The request of a call that was not made. What the call has ended with says nothing then.
    #[inline]
    pub(crate) fn take_missed(&mut self) -> Option<Request> {
        if !matches!(self.progress, Progress::Missed(_)) {
            return None;
        }
        match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::Missed(request) => Some(request),
            _ => None,
        }
    }

    #[cold]
    fn miss(&mut self, request: Request) -> Poll<Result<Response, Error>> {
        self.progress = Progress::Missed(request);
        Poll::Ready(Ok(Response::default()))
    }

    fn link(&self) -> &Link<L::Codec> {
        self.linked.link()
    }

    /// How long the call may take, if there is a limit.
    fn limit(&self, request: &Request) -> Option<Duration> {
        let limit = request.timeout().unwrap_or(self.link().0.timeout);
        (!limit.is_zero()).then_some(limit)
    }

    fn poll_start(&mut self, request: Request, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let needs_seat = L::HAS_SEATS && !self.is_seated;
        if needs_seat && !self.linked.choose() {
            return self.miss(request);
        }
        let mut state = self.linked.link().lock();
        if needs_seat {
            if state.must_wait() || !state.seats.take() {
                drop(state);
                return self.miss(request);
            }
            self.is_seated = true;
        } else if L::HAS_SEATS && !state.is_here() {
            let left = Some(state.seats.give_back());
            drop(state);
            self.vacate(left);
            return self.miss(request);
        } else if state.must_wait() {
            let key = state.park(None, cx);
            drop(state);
            return self.park(request, key, cx);
        }
        let id = match request.id() {
            Some(id) => id.clone(),
            None => self.linked.link().0.ids.next_id(),
        };
        let started = if request.is_oneway() {
            state.start_oneway(id, request, cx).map(|()| Progress::Done)
        } else {
            let timeout = self.limit(&request);
            state.start(id.clone(), request, timeout, cx).map(|place| Progress::Waiting { place, id })
        };
        let is_over = !matches!(started, Ok(Progress::Waiting { .. }));
        let left = (L::HAS_SEATS && is_over).then(|| state.seats.give_back());
        let woken = state.woken();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        self.vacate(left);
        match started {
            Ok(Progress::Done) => Poll::Ready(Ok(Response::default())),
            Ok(waiting) => {
                self.progress = waiting;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Says that the seat was given back, if it was.
    #[inline]
    fn vacate(&mut self, left: Option<bool>) {
        if let Some(is_due) = left {
            self.is_seated = false;
            self.linked.vacated(is_due);
        }
    }

    #[cold]
    fn park(&mut self, request: Request, key: u64, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let limit = self.limit(&request);
        let sleep = limit.map(|limit| Box::pin(sleep(limit)));
        self.poll_parked(Box::new(Parked { request, key, since: Instant::now(), limit, sleep }), cx)
    }

    #[cold]
    fn poll_parked(
        &mut self,
        mut parked: Box<Parked>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, Error>> {
        let mut state = self.linked.link().lock();
        if !state.must_wait() {
            state.unpark_one(parked.key);
            drop(state);
            let Parked { mut request, since, limit, .. } = *parked;
            // What is left is what the other side hears of, too.
            if let Some(limit) = limit {
                let left = limit.saturating_sub(since.elapsed());
                request.set_timeout(Some(left.max(Duration::from_nanos(1))));
            }
            return self.poll_start(request, cx);
        }
        let is_starting = state.is_starting();
        state.park(Some(parked.key), cx);
        drop(state);
        let is_over = parked.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if is_over {
            let mut state = self.linked.link().lock();
            state.unpark_one(parked.key);
            let left = L::HAS_SEATS.then(|| state.seats.give_back());
            drop(state);
            self.vacate(left);
            return Poll::Ready(Err(waited(&parked, is_starting)));
        }
        self.progress = Progress::Parked(parked);
        Poll::Pending
    }
}

fn waited(parked: &Parked, is_starting: bool) -> Error {
    let (why, what) = if is_starting {
        ("its worker was still being started again", "a longer timeout lets it wait longer")
    } else {
        ("the worker did not read what was sent before it", "it may hang, or be given more than it can do")
    };
    let text = format!(
        "`{}` was not sent within {:?}: {why}; {what}",
        parked.request.name(),
        parked.limit.unwrap_or_default()
    );
    Error::new(ErrorKind::Timeout, text).with_executed(Executed::No)
}

impl<L: Linked + Unpin> Future for Call<L> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::New(request) => self.poll_start(request, cx),
            Progress::Parked(parked) => self.poll_parked(parked, cx),
            Progress::Waiting { place, id } => {
                let mut state = self.linked.link().lock();
                if L::HAS_SEATS
                    && let Some(request) = state.places.take_unsent(place)
                {
                    let left = Some(state.seats.give_back());
                    drop(state);
                    self.vacate(left);
                    return self.miss(request);
                }
                let answer = state.places.poll(place, cx);
                let left = (L::HAS_SEATS && answer.is_ready()).then(|| state.seats.give_back());
                drop(state);
                if answer.is_pending() {
                    self.progress = Progress::Waiting { place, id };
                }
                self.vacate(left);
                answer
            }
            Progress::Missed(_) | Progress::Done => panic!("a call was polled after it had ended"),
        }
    }
}

impl<L: Linked> Drop for Call<L> {
    fn drop(&mut self) {
        let is_seated = L::HAS_SEATS && self.is_seated;
        let is_begun = matches!(self.progress, Progress::Waiting { .. } | Progress::Parked(_));
        if !is_seated && !is_begun {
            return;
        }
        let left = self.link().change(|state| {
            match &self.progress {
                Progress::Waiting { place, id } => state.abandon(*place, id),
                Progress::Parked(parked) => state.unpark_one(parked.key),
                Progress::New(_) | Progress::Missed(_) | Progress::Done => {}
            }
            is_seated.then(|| state.seats.give_back())
        });
        self.vacate(left);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use bytes::BytesMut;
    use isolated_workers_codec::{Cbor, Compressed, Json, Postcard};
    use isolated_workers_core::{Body, Limits, Message, Name, Never, SequentialIds};
    use tokio::io::duplex;

    use super::super::Presence;
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Note;

    impl Message for Note {
        const NAME: &'static str = "note";
        const ONEWAY: bool = true;
        type Reply = ();
        type Error = Never;
    }

    /// The only worker there is.
    struct Only<'a, C: Codec>(&'a Link<C>);

    impl<C: Codec> Linked for Only<'_, C> {
        type Codec = C;
        const HAS_SEATS: bool = true;

        fn link(&self) -> &Link<C> {
            self.0
        }
    }

    fn request<C: Codec>(codec: &C, number: usize) -> Request {
        let mut body = BytesMut::new();
        codec.encode(&"work ".repeat(10 * number), &mut body).unwrap();
        let mut request = Request::new(Name::from_static("work"), Body::from(body.freeze()));
        if number % 2 == 1 {
            request.metadata_mut().insert("number", number.to_string());
            request.set_timeout(Some(Duration::from_secs(7)));
            request.set_id(TxId::from(1_000 + number as u64));
        }
        request
    }

    /// Of calls whose worker dies, one has left in part, and the others have been encoded.
    async fn what_was_not_sent_comes_back<C: Codec>(codec: C) {
        let (here, _there) = duplex(10);
        let link = Link::new(
            codec.clone(),
            Limits::default(),
            Arc::new(SequentialIds::default()),
            Duration::ZERO,
            here,
        );
        link.open_seats(4, u64::MAX);
        let mut calls: Vec<_> =
            (0..5).map(|number| Call::new(Only(&link), request(&codec, number))).collect();
        let mut poll = |number: usize| {
            let call = &mut calls[number];
            let ended = Pin::new(&mut *call).poll(&mut Context::from_waker(Waker::noop()));
            (ended, call.take_missed())
        };
        for number in 0..4 {
            assert!(poll(number).0.is_pending(), "call {number}");
        }
        let (_, missed) = poll(4);
        assert!(missed.is_some(), "there are four seats");
        assert_eq!(link.seats(), (true, 4, 4));

        link.fail(Presence::Ended, |_| Error::new(ErrorKind::Crashed, "it is gone"));
        let Poll::Ready(Err(begun)) = poll(0).0 else { panic!("it has ended") };
        assert_eq!(begun.executed(), Executed::Maybe, "{begun}");
        for number in 1..4 {
            let (ended, missed) = poll(number);
            assert!(ended.is_ready());
            let (missed, sent) = (missed.expect("it was not sent"), request(&codec, number));
            assert_eq!(missed.body().as_bytes(), sent.body().as_bytes());
            assert_eq!((missed.name(), missed.timeout()), (sent.name(), sent.timeout()));
            assert_eq!(missed.metadata().get("number"), sent.metadata().get("number"));
            assert_eq!((missed.role(), missed.deadline()), (sent.role(), None));
            assert!(sent.id().is_none_or(|id| missed.id() == Some(id)));
        }
        assert_eq!(link.seats(), (false, 0, 4));
    }

    #[tokio::test]
    async fn what_was_not_sent_when_its_worker_died_comes_back_as_it_was() {
        what_was_not_sent_comes_back(Json).await;
        what_was_not_sent_comes_back(Cbor).await;
        what_was_not_sent_comes_back(Postcard).await;
        what_was_not_sent_comes_back(Compressed::new(Postcard)).await;
    }

    #[tokio::test]
    async fn a_seat_is_given_back_however_its_call_ends() {
        let (here, _there) = duplex(1 << 16);
        let link =
            Link::new(Postcard, Limits::default(), Arc::new(SequentialIds::default()), Duration::ZERO, here);
        link.open_seats(1, 2);
        // It is dropped before it has begun, and while it is in flight.
        drop(Call::new(Only(&link), request(&Postcard, 1)));
        assert!(link.take_seat());
        drop(Call::seated(Only(&link), request(&Postcard, 1)));
        let mut call = Call::new(Only(&link), request(&Postcard, 1));
        poll_fn(|cx| {
            assert!(Pin::new(&mut call).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!((link.free_seats(), link.seats()), (0, (true, 1, 2)));
        drop(call);
        assert_eq!((link.free_seats(), link.seats()), (1, (true, 0, 2)));
        // Nobody waits for the end of a oneway message.
        let mut call = Call::new(Only(&link), Request::of::<Note>(Body::empty()));
        assert!((&mut call).await.is_ok() && call.take_missed().is_none());
        assert_eq!(link.seats(), (true, 0, 3));
        // One that has a seat at a worker that has ended meanwhile.
        assert!(link.take_seat());
        link.fail(Presence::Ended, |_| Error::new(ErrorKind::Crashed, "it is gone"));
        let mut call = Call::seated(Only(&link), request(&Postcard, 1));
        let _ = (&mut call).await;
        assert!(call.take_missed().is_some());
        assert_eq!(link.seats(), (false, 0, 4));
        assert!(!link.take_seat(), "it lets nobody in any more");
    }
}
