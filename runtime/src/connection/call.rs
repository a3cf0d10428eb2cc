mod own_deadline;
mod parked_call;
mod target;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Items, Request, Response, TxId};
use tokio::runtime::Id;

pub(super) use self::own_deadline::OwnDeadline;
use self::parked_call::ParkedCall;
pub(crate) use self::target::CallTarget;
use super::link_calls::LinkCalls;
use super::parked::{CallKind, CallTimeout, WaitReason};
use super::state::{add_kill, current_runtime};
use super::streams::{Progress, StreamingCall};
use super::waiters::{Held, Polled};
use super::{Link, user_code, wake_all};

/// Extension of the request of a suspect: a call that was in flight at an earlier crash. At most
/// one suspect runs on a link at a time, so that the next crash has only one suspect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspect;

/// Time by which a call may exceed a deadline that a layer has set. The layer gives its call more.
const DEADLINE_SLACK: Duration = Duration::from_millis(10);

/// Future of a call. Dropping it cancels the call.
pub(crate) struct Call<T: CallTarget> {
    target: T,
    /// `true` if the call has not started and holds a permit for its worker. Once it has started,
    /// its waiter holds the permit.
    has_permit: bool,
    /// `true` if the call is started on another runtime than that of its caller.
    is_started_for_caller: bool,
    /// `true` if the link counts this call as unsent until it is dropped.
    is_counted: bool,
    state: CallState,
}

/// Request of a call that was not made.
pub(crate) struct Unsent {
    pub(crate) request: Request,
    /// `true` if the call had a permit, and lost it before the request was sent.
    pub(crate) had_permit: bool,
}

enum CallState {
    New(Request),
    Parked(Box<ParkedCall>),
    /// The call is in flight. `waiter` is the key of its waiter.
    Waiting {
        waiter: usize,
        id: TxId,
        deadline: Option<Box<OwnDeadline>>,
    },
    /// The call has streams, and is in flight.
    Streaming(Box<StreamingCall>),
    Unsent(Unsent),
    Done,
}

impl<T: CallTarget> Call<T> {
    pub(crate) fn new(target: T, request: Request) -> Self {
        Self::with(target, request, false, false)
    }

    /// Creates a call that already holds a permit.
    pub(crate) fn with_permit(target: T, request: Request) -> Self {
        Self::with(target, request, true, false)
    }

    /// Creates a call that already holds a permit and is first polled for its caller, which runs on
    /// the runtime `caller`.
    pub(crate) fn for_caller(target: T, request: Request, caller: Option<Id>) -> Self {
        let is_started_for_caller = caller != current_runtime();
        Self::with(target, request, true, is_started_for_caller)
    }

    #[inline]
    fn with(target: T, request: Request, has_permit: bool, is_started_for_caller: bool) -> Self {
        Self { target, has_permit, is_started_for_caller, is_counted: false, state: CallState::New(request) }
    }

    /// Takes the request of a call that was not made. If it returns a request, ignore the output of
    /// the future. The call counts as unsent until it is dropped: make it again before.
    #[inline]
    pub(crate) fn take_unsent(&mut self) -> Option<Unsent> {
        if !matches!(self.state, CallState::Unsent(_)) {
            return None;
        }
        match std::mem::replace(&mut self.state, CallState::Done) {
            CallState::Unsent(unsent) => Some(unsent),
            _ => None,
        }
    }

    #[cold]
    fn end_unsent(&mut self, request: Request, had_permit: bool) -> Poll<Result<Response, Error>> {
        self.state = CallState::Unsent(Unsent { request, had_permit });
        Poll::Ready(Ok(Response::default()))
    }

    fn link(&self) -> &Link<T::Codec> {
        self.target.link()
    }

    /// Timeout of the call, if it has one. A deadline that a layer has set may be earlier, because
    /// the call may have waited.
    fn timeout(&self, request: &Request) -> Option<CallTimeout> {
        let rest = request.timeout_or(self.link().0.timeout);
        let timeout = || CallTimeout { whole: request.whole_timeout().unwrap_or(rest), rest };
        let timeout = (!rest.is_zero()).then(timeout);
        match request.deadline() {
            None => timeout,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
                // An error that names the timeout is better than one that names the exact rest.
                let timeout = timeout.filter(|timeout| timeout.rest <= left + DEADLINE_SLACK);
                Some(timeout.unwrap_or(CallTimeout { whole: left, rest: left }))
            }
        }
    }

    fn poll_start(&mut self, mut request: Request, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let needs_permit = T::NEEDS_PERMIT && !self.has_permit;
        if needs_permit && !self.target.choose() {
            return self.end_unsent(request, false);
        }
        // Chosen before the mutex is locked, because a generator is user code.
        let id = match self.choose_id(&request) {
            Ok(id) => id,
            Err(error) => return Poll::Ready(Err(error.of_call())),
        };
        let is_suspect = request.extensions().get::<Suspect>().is_some();
        let kind = CallKind { is_suspect, is_oneway: request.is_oneway(), is_nested: request.is_nested() };
        let runtime = current_runtime();
        // Cloned and dropped while the mutex is free: a waker is user code, too.
        let mut waker = Some(cx.waker().clone());
        // Dropped after the mutex is released, too: the items of a call may be a stream of the same
        // link.
        let (kept, mut items);
        let mut state = self.target.link().lock();
        let is_home = state.is_home(runtime);
        if needs_permit {
            if state.must_wait(kind) || !state.permits.acquire() {
                drop(state);
                return self.end_unsent(request, false);
            }
        } else if T::NEEDS_PERMIT && !state.is_connected() {
            drop(state);
            self.release_permit();
            return self.end_unsent(request, true);
        } else if state.must_wait(kind) {
            let key = state.parking_key();
            if let Some(waker) = waker.take() {
                self.has_permit = state.park(key, self.has_permit, kind, waker);
            }
            let woken = state.take_woken();
            drop(state);
            wake_all(woken);
            return self.park(request, key, kind, is_home, cx);
        }
        let extensions = request.take_extensions();
        // Released if the waker panics.
        self.has_permit = T::NEEDS_PERMIT;
        kept = request.streams().from_caller.then(|| request.clone());
        items = kept.as_ref().and_then(Request::take_items);
        let started = if kept.is_some() && items.is_none() {
            Err(spent_items(request.name()))
        } else if request.is_oneway() {
            state.start_oneway(id, request, is_home).map(|()| CallState::Done)
        } else {
            let timeout = self.timeout(&request);
            let held = Held { permit: T::NEEDS_PERMIT, suspect: is_suspect };
            let streams = request.streams();
            let started = state.start(id.clone(), request, timeout, is_home, held, &mut waker);
            let watches_deadline = !is_home || self.is_started_for_caller;
            let deadline =
                timeout.filter(|_| watches_deadline).and_then(|timeout| OwnDeadline::after(timeout.rest));
            match started {
                Ok(waiter) if streams.is_none() => Ok(CallState::Waiting { waiter, id, deadline }),
                Ok(key) => Ok(self.streaming(key, id, items.take(), deadline)),
                Err(error) => Err(error),
            }
        };
        self.has_permit = false;
        match &started {
            Ok(CallState::Waiting { .. } | CallState::Streaming(_)) => {}
            Ok(_) if T::NEEDS_PERMIT => state.release_permit(),
            Err(_) if T::NEEDS_PERMIT => state.release_unused_permit(),
            _ => {}
        }
        let woken = state.take_woken();
        drop(state);
        wake_all(woken);
        let ended = match started {
            Ok(CallState::Done) => Poll::Ready(Ok(Response::default())),
            Ok(CallState::Streaming(call)) => {
                self.state = CallState::Streaming(call);
                // Its items are user code, which does not run while the pool starts the call.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(waiting) => {
                self.state = waiting;
                Poll::Pending
            }
            Err(error) => {
                // A refused call may be made again.
                if let (Some(request), Some(items)) = (kept, items) {
                    request.give_back_items(items);
                }
                Poll::Ready(Err(error.of_call()))
            }
        };
        // Their destructors may panic.
        drop(extensions);
        if let CallState::Waiting { deadline: Some(deadline), .. } = &mut self.state {
            // Sets the alarm. The task gets its grace even if the timeout has elapsed.
            deadline.poll(self.target.link(), cx);
        }
        ended
    }

    /// Creates the state of a call with streams that has started. `items`: items of the caller.
    #[cold]
    fn streaming(
        &self,
        key: usize,
        id: TxId,
        items: Option<Items>,
        deadline: Option<Box<OwnDeadline>>,
    ) -> CallState {
        let link: Arc<dyn LinkCalls> = Arc::new(self.link().clone());
        CallState::Streaming(Box::new(StreamingCall::new(link, key, id, items, deadline)))
    }

    /// Polls a call with streams. It stays in `state` while user code runs, which may panic.
    #[cold]
    fn poll_streaming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let CallState::Streaming(call) = &mut self.state else { unreachable!("the call has streams") };
        let progress = ready!(call.poll(cx));
        let CallState::Streaming(call) = std::mem::replace(&mut self.state, CallState::Done) else {
            unreachable!("the call has streams")
        };
        match progress {
            Progress::Items => Poll::Ready(Ok(call.into_response())),
            Progress::Ended(result) => Poll::Ready(call.into_result(result)),
            Progress::Unsent(request) => {
                self.is_counted = true;
                self.end_unsent(request, true)
            }
        }
    }

    /// Returns the id of the request, or the next id of the generator.
    #[inline]
    fn choose_id(&self, request: &Request) -> Result<TxId, Error> {
        match request.id() {
            Some(id) => Ok(id.clone()),
            None => user_code::catch("the id generator", || self.link().0.ids.next_id())
                .map_err(|panic| without_id(request.name(), &panic)),
        }
    }

    /// Releases the permit of a call that has not started.
    #[cold]
    fn release_permit(&mut self) {
        if std::mem::take(&mut self.has_permit) {
            self.link().change(|state| state.release_unused_permit());
        }
    }

    #[cold]
    fn park(
        &mut self,
        request: Request,
        key: u64,
        kind: CallKind,
        is_home: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, Error>> {
        let timeout = self.timeout(&request);
        let has_timers = is_home && !self.is_started_for_caller;
        self.state = CallState::Parked(Box::new(ParkedCall::new(request, key, kind, timeout, has_timers)));
        self.poll_parked(cx)
    }

    /// Polls a parked call. It stays in `state` while user code runs, which may panic.
    #[cold]
    fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let CallState::Parked(parked) = &self.state else { unreachable!("the call is parked") };
        let ParkedCall { key, kind, .. } = **parked;
        let (waker, runtime) = (cx.waker().clone(), current_runtime());
        let mut state = self.target.link().lock();
        let is_home = state.is_home(runtime);
        // Its waker is dropped after the mutex is released.
        let removed = state.remove_parked(key);
        if T::NEEDS_PERMIT && removed.is_none() {
            // The call was unparked and has no permit anymore.
            self.has_permit = false;
        }
        if !state.must_wait(kind) || (T::NEEDS_PERMIT && removed.is_none()) {
            drop(state);
            let CallState::Parked(parked) = std::mem::replace(&mut self.state, CallState::Done) else {
                unreachable!("the call is parked")
            };
            let request = parked.into_request();
            let is_startable = !T::NEEDS_PERMIT || self.has_permit;
            return if is_startable { self.poll_start(request, cx) } else { self.end_unsent(request, true) };
        }
        let reason = state.wait_reason(kind);
        if kind.is_nested && reason.is_for_calls() {
            drop(state);
            let error = parked.would_deadlock(reason);
            self.release_permit();
            self.state = CallState::Done;
            return Poll::Ready(Err(error));
        }
        self.has_permit = state.park(key, self.has_permit, kind, waker);
        let woken = state.take_woken();
        drop(state);
        wake_all(woken);
        let CallState::Parked(parked) = &mut self.state else { unreachable!("the call is parked") };
        let has_timed_out = parked.alarm.as_mut().is_some_and(|alarm| {
            if !is_home {
                alarm.leave_runtime();
            }
            alarm.poll(cx).is_ready()
        });
        if has_timed_out {
            let mut error = parked.timed_out(reason);
            self.state = CallState::Done;
            if self.unpark(key, Some(reason)) {
                add_kill(&mut error);
            }
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }

    /// Polls a call in flight that has not ended. It stays in `state` while user code runs, which
    /// may panic.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let Self { target, state, .. } = self;
        let CallState::Waiting { deadline, .. } = state else { unreachable!("the call is in flight") };
        let is_over = deadline.as_mut().is_some_and(|deadline| deadline.poll(target.link(), cx));
        if is_over { self.poll_call(cx) } else { Poll::Pending }
    }

    /// Replaces the waker of a call in flight.
    #[cold]
    fn replace_waker(&mut self, waiter: usize, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let mut waker = cx.waker().clone();
        let is_waiting = self.link().lock().waiters.replace_waker(waiter, &mut waker);
        drop(waker);
        if !is_waiting {
            return self.poll_call(cx);
        }
        let Self { target, state, .. } = self;
        // Another waker may be that of a task on another runtime.
        if let CallState::Waiting { id, deadline, .. } = state {
            OwnDeadline::watch_moved(deadline, target.link(), id);
        }
        self.poll_deadline(cx)
    }

    /// Ends the wait of a parked call, and releases its permit. `timed_out`: reason of the wait, if
    /// it has taken too long. Returns `true` if the worker is killed because of that.
    #[cold]
    fn unpark(&mut self, key: u64, timed_out: Option<WaitReason>) -> bool {
        self.has_permit = false;
        // Its waker is dropped after the mutex is released.
        let (_removed, is_killed) = self.link().change(|state| {
            let removed = state.remove_parked(key);
            let timed_out = timed_out.filter(|_| removed.is_some());
            let is_killed = timed_out.is_some_and(|reason| state.parked_call_timed_out(reason));
            if removed.as_ref().is_some_and(|removed| removed.has_permit) {
                state.release_unused_permit();
            }
            (removed, is_killed)
        });
        is_killed
    }

    /// Polls a call that has moved to another link with its connection.
    #[cold]
    fn poll_moved(
        &mut self,
        link: &dyn LinkCalls,
        waiter: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, Error>> {
        loop {
            if let Poll::Ready(result) = link.poll(waiter, cx) {
                self.state = CallState::Done;
                let removed = self.link().lock().waiters.remove(waiter);
                drop(removed);
                return Poll::Ready(result);
            }
            let CallState::Waiting { id, deadline, .. } = &mut self.state else {
                unreachable!("the call is in flight")
            };
            OwnDeadline::watch_moved(deadline, link, id);
            if !deadline.as_mut().is_some_and(|deadline| deadline.poll(link, cx)) {
                return Poll::Pending;
            }
        }
    }

    #[inline]
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        if let CallState::Waiting { waiter, .. } = self.state {
            let polled = self.target.link().lock().waiters.poll(waiter, cx);
            return match polled {
                Polled::Answered(result) => {
                    self.state = CallState::Done;
                    Poll::Ready(result)
                }
                Polled::Unsent(request) => {
                    self.is_counted = true;
                    self.end_unsent(request, true)
                }
                Polled::Pending => self.poll_deadline(cx),
                Polled::OtherWaker => self.replace_waker(waiter, cx),
                Polled::Moved(link) => self.poll_moved(&*link, waiter, cx),
                Polled::StreamEnded(_) => unreachable!("the call has no streams"),
            };
        }
        match self.state {
            CallState::Parked(_) => return self.poll_parked(cx),
            CallState::Streaming(_) => return self.poll_streaming(cx),
            _ => {}
        }
        match std::mem::replace(&mut self.state, CallState::Done) {
            CallState::New(request) => self.poll_start(request, cx),
            _ => panic!("a call was polled after it had ended"),
        }
    }
}

impl<T: CallTarget + Unpin> Future for Call<T> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_call(cx)
    }
}

impl<T: CallTarget> Drop for Call<T> {
    fn drop(&mut self) {
        if self.is_counted {
            self.link().change(|state| state.unsent_call_ended());
        }
        match &self.state {
            CallState::Waiting { waiter, id, .. } => {
                LinkCalls::abandon(self.link(), *waiter, id);
            }
            CallState::Parked(parked) => {
                let key = parked.key;
                self.unpark(key, None);
            }
            // Its own destructor cancels it.
            CallState::Streaming(_) => {}
            CallState::New(_) | CallState::Unsent(_) | CallState::Done => {
                if T::NEEDS_PERMIT && self.has_permit {
                    self.release_permit();
                }
            }
        }
    }
}

/// Error of a request whose items were taken before.
#[cold]
fn spent_items(name: &str) -> Error {
    let text =
        format!("could not call `{name}` again: its items were sent before; make the call with new items");
    Error::new(ErrorKind::Invalid, text).with_executed(Executed::No)
}

#[cold]
fn without_id(name: &str, panic: &str) -> Error {
    let text = format!("could not call `{name}`: {panic}; fix the panic");
    Error::new(ErrorKind::Panicked, text).with_executed(Executed::No)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Waker;

    use bytes::BytesMut;
    use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard};
    use isolated_workers_core::{Body, Limits, Message, Name, Never, SequentialIds};
    use tokio::io::duplex;

    use super::super::{Availability, PermitCounts};
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Note;

    impl Message for Note {
        const NAME: &'static str = "note";
        const ONEWAY: bool = true;
        type Reply = ();
        type Error = Never;
    }

    /// Target with one worker.
    struct Only<'a, C: Codec>(&'a Link<C>);

    impl<C: Codec> CallTarget for Only<'_, C> {
        type Codec = C;
        const NEEDS_PERMIT: bool = true;

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

    /// Returns `true` if the permits are open, the number taken, the number kept for calls that
    /// were given up, and the number acquired.
    fn counts<C: Codec>(link: &Link<C>) -> (bool, u32, u32, u64) {
        let PermitCounts { is_open, in_flight, given_up, acquired, .. } = link.permits();
        (is_open, in_flight, given_up, acquired)
    }

    /// Checks calls to a worker that crashes. One call was partly sent, the others were only
    /// encoded.
    async fn unsent_requests_are_returned<C: Codec>(codec: C) {
        let (here, _there) = duplex(10);
        let link = Link::new(
            codec.clone(),
            Limits::default(),
            Arc::new(SequentialIds::default()),
            Duration::ZERO,
            here,
        );
        link.open_permits(4, u64::MAX, u64::MAX);
        let mut calls: Vec<_> =
            (0..5).map(|number| Call::new(Only(&link), request(&codec, number))).collect();
        let mut poll = |number: usize| {
            let call = &mut calls[number];
            let ended = Pin::new(&mut *call).poll(&mut Context::from_waker(Waker::noop()));
            (ended, call.take_unsent())
        };
        for number in 0..4 {
            assert!(poll(number).0.is_pending(), "call {number}");
        }
        let (_, unsent) = poll(4);
        assert!(unsent.is_some(), "there are four permits");
        assert_eq!(counts(&link), (true, 4, 0, 4));

        link.fail(Availability::Closed, |_| Error::new(ErrorKind::Crashed, "the worker is gone"));
        let Poll::Ready(Err(partial)) = poll(0).0 else { panic!("the call has not ended") };
        assert_eq!(partial.executed(), Executed::Maybe, "{partial}");
        for number in 1..4 {
            let (ended, unsent) = poll(number);
            assert!(ended.is_ready());
            let (unsent, sent) = (unsent.expect("the request was not sent").request, request(&codec, number));
            assert_eq!(unsent.body().as_bytes(), sent.body().as_bytes());
            assert_eq!((unsent.name(), unsent.timeout()), (sent.name(), sent.timeout()));
            assert_eq!(unsent.metadata().get("number"), sent.metadata().get("number"));
            assert_eq!((unsent.role(), unsent.deadline()), (sent.role(), None));
            assert!(sent.id().is_none_or(|id| unsent.id() == Some(id)));
        }
        // Only the call that was partly sent counts.
        assert_eq!(counts(&link), (false, 0, 0, 1));
    }

    #[tokio::test]
    async fn unsent_requests_of_a_crashed_worker_are_returned_unchanged() {
        unsent_requests_are_returned(Json).await;
        unsent_requests_are_returned(Cbor).await;
        unsent_requests_are_returned(Postcard).await;
        unsent_requests_are_returned(Compressed::new(Postcard)).await;
    }

    #[tokio::test]
    async fn a_permit_is_released_however_its_call_ends() {
        let (here, _there) = duplex(1 << 16);
        let link =
            Link::new(Postcard, Limits::default(), Arc::new(SequentialIds::default()), Duration::ZERO, here);
        link.open_permits(2, 2, u64::MAX);
        // The call is dropped before it starts, and while it is in flight.
        drop(Call::new(Only(&link), request(&Postcard, 1)));
        assert!(link.acquire_permit());
        drop(Call::with_permit(Only(&link), request(&Postcard, 1)));
        let mut call = Call::new(Only(&link), request(&Postcard, 1));
        poll_fn(|cx| {
            assert!(Pin::new(&mut call).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_eq!((link.available_permits(), counts(&link)), (1, (true, 1, 0, 1)));
        drop(call);
        // The worker may still run the call.
        assert_eq!((link.available_permits(), counts(&link)), (1, (true, 0, 1, 1)));
        // A oneway message ends immediately.
        let mut call = Call::new(Only(&link), Request::of::<Note>(Body::empty()));
        assert!((&mut call).await.is_ok() && call.take_unsent().is_none());
        assert_eq!(counts(&link), (true, 0, 1, 2));
        // A call holds a permit for a worker that has exited in the meantime.
        assert!(link.acquire_permit());
        link.fail(Availability::Closed, |_| Error::new(ErrorKind::Crashed, "the worker is gone"));
        let mut call = Call::with_permit(Only(&link), request(&Postcard, 1));
        let _ = (&mut call).await;
        assert!(call.take_unsent().is_some());
        assert_eq!(counts(&link), (false, 0, 0, 2));
        assert!(!link.acquire_permit(), "a closed connection gives no permits");
    }
}
