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
    progress: Progress,
}

/// What holds the link of a call.
pub(crate) trait Linked {
    type Codec: Codec;

    fn link(&self) -> &Link<Self::Codec>;
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
        Self { linked, progress: Progress::New(request) }
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
        let mut state = self.linked.link().lock();
        if state.must_wait() {
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
        let woken = state.woken();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        match started {
            Ok(Progress::Done) => Poll::Ready(Ok(Response::default())),
            Ok(waiting) => {
                self.progress = waiting;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
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
            self.linked.link().lock().unpark_one(parked.key);
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
    Error::new(ErrorKind::Timeout, text).executed_is(Executed::No)
}

impl<L: Linked + Unpin> Future for Call<L> {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::New(request) => self.poll_start(request, cx),
            Progress::Parked(parked) => self.poll_parked(parked, cx),
            Progress::Waiting { place, id } => {
                let answer = self.linked.link().lock().poll_answer(place, cx);
                if answer.is_pending() {
                    self.progress = Progress::Waiting { place, id };
                }
                answer
            }
            Progress::Done => panic!("a call was polled after it had ended"),
        }
    }
}

impl<L: Linked> Drop for Call<L> {
    fn drop(&mut self) {
        match &self.progress {
            Progress::Waiting { place, id } => self.link().change(|state| state.abandon(*place, id)),
            Progress::Parked(parked) => self.linked.link().lock().unpark_one(parked.key),
            Progress::New(_) | Progress::Done => {}
        }
    }
}
