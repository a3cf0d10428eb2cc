use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use isolated_workers_codec::Framing;
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::protocol::{Admission, Connection, Event};
use isolated_workers_core::{
    Attachments, Error, ErrorKind, Executed, Frame, GoAway, RemoteError, Request, Response, TxId,
};
use isolated_workers_transport::{ChannelDescriptors, DescriptorQueue};
use tokio::io::AsyncWrite;
use tokio::runtime::{Handle, Id};

use super::availability::{Availability, abandoned};
use super::frame_writer::FrameWriter;
use super::parked::{CallKind, CallTimeout, Parked, ParkedCalls, WaitReason};
use super::peer_services::PeerServices;
use super::permits::{PermitCounts, Permits};
use super::streams::HandlerStreams;
use super::task::CloseReason;
use super::user_code;
use super::waiters::{Held, Waiter, Waiters};
use crate::OnTimeout;

/// Queue size in bytes above which oneway messages wait for space and no handler starts.
const MAX_QUEUED_BYTES: usize = 1 << 20;

/// Number of encoded bytes at which a caller writes them itself instead of leaving the batch to the
/// task. The peer can then process them in the meantime.
pub(super) const EARLY_WRITE_BYTES: usize = 4 << 10;

/// State guarded by the connection's mutex.
pub(super) struct State<F> {
    pub(super) connection: Connection<usize>,
    services: PeerServices,
    writer: FrameWriter<F>,
    /// Runtime that the stream is registered with, and that the connection task runs on.
    home: Option<Id>,
    pub(super) waiters: Waiters,
    pub(super) handler_streams: HandlerStreams,
    pub(super) permits: Permits,
    parked: ParkedCalls,
    /// Number of requests that were not sent, and whose callers have not made their calls again.
    unsent: usize,
    /// `true` while a suspect runs, that is, a call that was in flight at an earlier crash. At most
    /// one runs at a time.
    has_suspect: bool,
    task: TaskState,
    /// Wakers to call after the mutex is released.
    pub(super) woken: Vec<Waker>,
    availability: Availability,
    on_timeout: OnTimeout,
    /// `true` if a worker that exits is restarted.
    respawns: bool,
    /// `true` if a call timed out and the policy is to kill the worker.
    overran: bool,
    /// Progress of a graceful shutdown of this side. `None` if none was started.
    shutdown: Option<Shutdown>,
}

/// Properties of the connection task that callers need.
#[derive(Debug, Default)]
struct TaskState {
    /// Waker of the task while it sleeps.
    waker: Option<Waker>,
    /// Time at which the timer of the task fires.
    timer: Option<Instant>,
    /// Number of calls completed since the task last slept.
    completed: usize,
    /// `true` if more than one call completed in the last wake-up. New calls then usually arrive
    /// together, so writing is left to the task.
    completes_in_batches: bool,
    /// `true` if the task looks for the answer of a new call, and is woken for that.
    spins: bool,
}

/// Progress of a graceful shutdown of a serving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    /// A go-away was sent. Requests may still arrive.
    Announced,
    /// The peer confirmed the go-away and sends no more requests.
    Confirmed,
    /// The peer may not support go-aways, so it got none. Its requests are refused.
    Refusing,
}

impl<F: Framing> State<F> {
    pub(super) fn new(framing: F, terms: Terms, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self {
            connection: terms.connection(),
            services: PeerServices::new(terms.peer_services, terms.peer_features.describe),
            writer: FrameWriter::new(framing, writer),
            home: current_runtime(),
            waiters: Waiters::default(),
            handler_streams: HandlerStreams::default(),
            permits: Permits::default(),
            parked: ParkedCalls::default(),
            unsent: 0,
            has_suspect: false,
            task: TaskState::default(),
            woken: Vec::new(),
            availability: Availability::Connected,
            on_timeout: OnTimeout::Cancel,
            respawns: false,
            overran: false,
            shutdown: None,
        }
    }

    pub(super) fn set_policy(&mut self, on_timeout: OnTimeout, respawns: bool) {
        self.on_timeout = on_timeout;
        self.respawns = respawns;
        self.connection.set_cancel_on_timeout(on_timeout != OnTimeout::Abandon);
    }

    /// Carries descriptors beside the frames of the present stream.
    pub(super) fn carry_descriptors(&mut self, descriptors: ChannelDescriptors) {
        self.writer.carry_descriptors(descriptors);
    }

    /// Queue of the descriptors that arrive, if the present stream carries them.
    pub(super) fn incoming_descriptors(&self) -> Option<DescriptorQueue> {
        self.writer.incoming_descriptors()
    }

    /// Continues over another stream, which belongs to the current runtime. The waiters are kept,
    /// because a caller may not have taken its result yet.
    ///
    /// Returns the old writer. Drop it after the mutex is released, because its destructor is user
    /// code.
    #[must_use = "the old writer must be dropped after the mutex is released"]
    pub(super) fn reconnect(
        &mut self,
        framing: F,
        terms: Terms,
        writer: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> FrameWriter<F> {
        // Each field is named: a new one of an earlier stream must not stay by mistake.
        let Self {
            connection,
            services,
            writer: old_writer,
            home,
            task,
            overran,
            shutdown,
            availability,
            handler_streams,
            woken,
            // Of the callers, who may outlive a stream. The counts of `permits` follow below.
            waiters: _,
            permits: _,
            parked: _,
            unsent: _,
            has_suspect: _,
            on_timeout: _,
            respawns: _,
        } = self;
        *connection = terms.connection();
        *services = PeerServices::new(terms.peer_services, terms.peer_features.describe);
        *home = current_runtime();
        task.timer = None;
        (*overran, *shutdown, *availability) = (false, None, Availability::Connected);
        woken.extend(handler_streams.take_all());
        let old_writer = std::mem::replace(old_writer, FrameWriter::new(framing, writer));
        self.set_policy(self.on_timeout, self.respawns);
        // The old stream may have ended without a failure, and with calls that were given up.
        self.update_given_up();
        self.unpark();
        old_writer
    }

    /// Closes the stream. Returns the writer. Drop it after the mutex is released.
    #[must_use = "the writer must be dropped after the mutex is released"]
    pub(super) fn close_stream(&mut self) -> Box<dyn AsyncWrite + Send + Unpin> {
        self.writer.close_stream()
    }

    /// Exchanges the connection and everything that belongs to it.
    pub(super) fn swap_connection(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.connection, &mut other.connection);
        std::mem::swap(&mut self.services, &mut other.services);
        std::mem::swap(&mut self.writer, &mut other.writer);
        std::mem::swap(&mut self.task, &mut other.task);
        std::mem::swap(&mut self.overran, &mut other.overran);
        std::mem::swap(&mut self.shutdown, &mut other.shutdown);
        std::mem::swap(&mut self.has_suspect, &mut other.has_suspect);
        std::mem::swap(&mut self.handler_streams, &mut other.handler_streams);
        other.on_timeout = self.on_timeout;
    }

    pub(super) fn set_availability(&mut self, availability: Availability) {
        self.availability = availability;
    }

    pub(super) fn availability(&self) -> &Availability {
        &self.availability
    }

    /// Returns `true` if a call can start now.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.availability, Availability::Connected)
            && self.writer.is_open()
            && !self.connection.has_received_go_away()
    }

    pub(super) fn has_suspect(&self) -> bool {
        self.has_suspect
    }

    /// Counts of the permits of the peer.
    pub(super) fn permit_counts(&self) -> PermitCounts {
        let blocked_since = self
            .permits
            .blocked_since(self.connection.sent_requests())
            .filter(|_| !self.is_written() || self.connection.has_max_oneways());
        self.permits.counts(self.connection.oldest_cancel().into_iter().chain(blocked_since).min())
    }

    /// Takes a permit for a call that can start now. Returns `false` if none is available.
    pub(super) fn acquire_permit(&mut self) -> bool {
        self.is_connected() && self.permits.acquire()
    }

    /// Takes all permits for a session. Returns `false` if the worker is not idle.
    pub(super) fn check_out(&mut self) -> bool {
        self.is_connected() && self.permits.check_out()
    }

    /// Takes a permit for a call of a session. Returns `false` if the session or the worker has
    /// ended.
    pub(super) fn acquire_in_session(&mut self, session: u64) -> bool {
        self.is_connected() && self.permits.acquire_in_session(session)
    }

    /// Returns `true` if the queue of bytes to write is full.
    pub(super) fn is_full(&self) -> bool {
        self.unwritten_bytes() > MAX_QUEUED_BYTES
    }

    /// Size of the bytes to write, approximately if some are not encoded.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.connection.queued_bytes() + self.writer.unwritten()
    }

    /// Returns the reason why a oneway message must wait for its peer before it starts, if any.
    #[cold]
    fn congestion(&self) -> Option<WaitReason> {
        if self.is_full() {
            return Some(WaitReason::QueueFull);
        }
        self.connection.has_max_oneways().then_some(WaitReason::MaxOneways)
    }

    /// Returns `true` if a call must wait before it starts.
    pub(super) fn must_wait(&self, CallKind { is_suspect, is_oneway, .. }: CallKind) -> bool {
        match self.availability {
            // A call to a worker that is about to be killed would be lost.
            Availability::Connected => {
                (is_oneway && self.congestion().is_some())
                    || (is_suspect && self.has_suspect)
                    || self.overran
                    || (self.respawns && self.connection.has_received_go_away())
            }
            Availability::Starting => true,
            Availability::Disconnected
            | Availability::Draining
            | Availability::Closed
            | Availability::Abandoned
            | Availability::Failed(_) => false,
        }
    }

    /// Returns the reason why a call waits. Valid only if [`must_wait`](Self::must_wait) returns
    /// `true`.
    pub(super) fn wait_reason(&self, kind: CallKind) -> WaitReason {
        match self.congestion().filter(|_| kind.is_oneway) {
            Some(reason) => reason,
            None if kind.is_suspect && !self.must_wait(CallKind { is_suspect: false, ..kind }) => {
                WaitReason::Suspect
            }
            None => WaitReason::Restart,
        }
    }

    /// Returns the key with which a call is parked.
    pub(super) fn parking_key(&mut self) -> u64 {
        self.parked.next_key()
    }

    /// Parks a call until it may start. Returns `true` if the call still holds its permit. While it
    /// waits for others, it holds none, because its caller may never be polled again.
    pub(super) fn park(&mut self, key: u64, has_permit: bool, kind: CallKind, waker: Waker) -> bool {
        let reason = self.wait_reason(kind);
        let keeps_permit = has_permit && reason == WaitReason::Restart;
        if has_permit && !keeps_permit {
            self.release_unused_permit();
        }
        self.parked.park(key, Parked { waker, has_permit: keeps_permit }, reason);
        keeps_permit
    }

    /// Removes a parked call. `None` if it was unparked, which also released its permit. Drop it
    /// after the mutex is released.
    pub(super) fn remove_parked(&mut self, key: u64) -> Option<Parked> {
        self.parked.remove(key)
    }

    /// Handles the timeout of a parked call. Returns `true` if the worker is killed because of it.
    #[cold]
    pub(super) fn parked_call_timed_out(&mut self, reason: WaitReason) -> bool {
        if let WaitReason::Restart | WaitReason::Suspect = reason {
            return false;
        }
        self.permits.add_timeouts(1);
        self.call_blocked();
        if self.on_timeout == OnTimeout::Kill && !self.overran {
            self.overran = true;
            self.permits.close();
            self.wake_task();
        }
        self.overran
    }

    /// Records that a call has timed out because the peer does not read or answer earlier ones.
    #[cold]
    fn call_blocked(&mut self) {
        let listener = self.permits.call_blocked(self.connection.sent_requests());
        self.woken.extend(listener);
    }

    /// Wakes the parked calls. Those of a pool lose their permits, because their callers may never
    /// be polled again.
    fn unpark(&mut self) {
        let calls = self.parked.drain();
        self.wake_parked(calls);
        let oneways = self.parked.drain_oneways();
        self.wake_parked(oneways);
        self.unpark_suspects();
    }

    fn unpark_suspects(&mut self) {
        let suspects = self.parked.drain_suspects();
        self.wake_parked(suspects);
    }

    fn wake_parked(&mut self, calls: Vec<Parked>) {
        for call in calls {
            self.woken.push(call.waker);
            if call.has_permit {
                self.release_unused_permit();
            }
        }
    }

    /// Releases the permit of a call that was not sent.
    #[cold]
    pub(super) fn release_unused_permit(&mut self) {
        self.permits.uncount();
        self.release_permit();
    }

    /// Releases the permit of a call.
    #[inline]
    pub(super) fn release_permit(&mut self) {
        self.woken.extend(self.permits.release());
    }

    /// Releases what a call held.
    #[inline]
    fn release(&mut self, held: Held) {
        if held.permit {
            self.release_permit();
        }
        if held.suspect {
            self.suspect_ended();
        }
    }

    /// Starts the next suspect.
    #[cold]
    pub(super) fn suspect_ended(&mut self) {
        self.has_suspect = false;
        self.unpark_suspects();
    }

    /// Returns `true` if a caller on `runtime` runs on the runtime of the connection task.
    #[inline]
    pub(super) fn is_home(&self, runtime: Option<Id>) -> bool {
        runtime.is_some() && runtime == self.home
    }

    /// Starts a call. Returns the key of its waiter, which keeps what the call has `held` until the
    /// call ends. `is_home`: `true` if this runs on the runtime of the connection task. Takes the
    /// waker unless the call fails.
    pub(super) fn start(
        &mut self,
        id: TxId,
        mut request: Request,
        timeout: Option<CallTimeout>,
        is_home: bool,
        held: Held,
        waker: &mut Option<Waker>,
    ) -> Result<usize, Error> {
        self.availability.check(request.name())?;
        self.services.address(&mut request)?;
        let waiter = self.waiters.next_key();
        let waited = timeout.filter(|timeout| timeout.rest != timeout.whole);
        let waited = waited.map(|timeout| (id.clone(), timeout.rest));
        self.connection.call(id, request, timeout.map(|timeout| timeout.whole), waiter)?;
        if let Some((id, rest)) = waited
            && let Some(at) = Instant::now().checked_add(rest)
        {
            self.connection.expire_at(&id, at);
        }
        self.waiters.insert(held, waker.take().expect("a call starts with a waker"));
        self.has_suspect |= held.suspect;
        self.send(is_home);
        Ok(waiter)
    }

    /// Sends a oneway message.
    pub(super) fn start_oneway(
        &mut self,
        id: TxId,
        mut request: Request,
        is_home: bool,
    ) -> Result<(), Error> {
        self.availability.check(request.name())?;
        self.services.address(&mut request)?;
        self.connection.send(id, request)?;
        self.send(is_home);
        Ok(())
    }

    /// Sends the frame of a new call. This is the fast path of a caller.
    ///
    /// If no other call is in flight, the frame is written at once. Otherwise it is only encoded,
    /// while the message is still in the CPU cache (decision 20), and the task writes the batch.
    ///
    /// A caller on another runtime leaves all writes to the task, because a write may register the
    /// stream or a timer with the current runtime (decision 29).
    fn send(&mut self, is_home: bool) {
        let is_alone = self.connection.in_flight() <= 1 && !self.task.completes_in_batches;
        // The task is woken unless everything was written, and then registers its own waker.
        let cx = &mut Context::from_waker(Waker::noop());
        let is_sent = if is_alone && is_home {
            self.start_timeouts();
            self.flush(cx).is_ready() && self.writer.is_open()
        } else {
            self.encode();
            if is_home {
                self.write_early(EARLY_WRITE_BYTES);
            } else {
                self.start_timeouts();
            }
            false
        };
        let is_timer_late = match (self.connection.poll_timeout(), self.task.timer) {
            (Some(at), Some(timer)) => at < timer,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !is_sent || is_timer_late || self.task.spins {
            self.wake_task();
        }
    }

    /// Writes what is encoded if that is `min_bytes`, and the stream is not known to be full.
    /// Called on the runtime of the task, which is woken in any case, and then registers its own
    /// waker.
    pub(super) fn write_early(&mut self, min_bytes: usize) {
        if self.writer.unwritten() >= min_bytes && !self.writer.is_stalled() {
            let _ = self.flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Cancels a call whose future was dropped. Returns its waiter.
    #[must_use = "drop it after the mutex is released, and tell the link to which the call has moved"]
    pub(super) fn abandon(&mut self, waiter: usize, id: &TxId) -> Waiter {
        let removed = self.waiters.remove(waiter);
        self.handler_streams.remove_stalled(waiter);
        if let Waiter::Waiting(_, held) = removed {
            let given_up = self.connection.given_up();
            self.connection.cancel(id, Instant::now());
            if held.permit && self.connection.given_up() == given_up {
                self.permits.uncount();
            }
            self.update_given_up();
            self.release(held);
            self.wake_task();
        } else if let Waiter::Unsent(_) = removed {
            self.unsent_call_ended();
        }
        removed
    }

    /// Handles the end of a call whose request was returned unsent: it was made again, or dropped.
    #[cold]
    pub(super) fn unsent_call_ended(&mut self) {
        self.unsent -= 1;
        self.woken.extend(self.permits.listener());
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Passes the number of given-up calls to the permits.
    #[inline]
    pub(super) fn update_given_up(&mut self) {
        self.woken.extend(self.permits.set_given_up(self.connection.given_up()));
    }

    /// Stores the result of a call for its caller.
    pub(super) fn complete(&mut self, waiter: usize, result: Result<Response, Error>) {
        let completed = self.waiters.complete(waiter, result.map_err(Error::of_call));
        self.completed(completed);
    }

    /// Handles the end of a call: wakes its caller and releases what it held.
    #[inline]
    pub(super) fn completed(&mut self, completed: Option<(Waker, Held)>) {
        self.task.completed += 1;
        if let Some((waker, held)) = completed {
            self.woken.push(waker);
            self.release(held);
        }
    }

    /// Most often nothing has ended.
    #[inline]
    fn complete_all(&mut self, events: Vec<Event<usize>>) {
        if !events.is_empty() {
            self.complete_each(events);
        }
    }

    #[cold]
    fn complete_each(&mut self, events: Vec<Event<usize>>) {
        for event in events {
            let is_unsent = is_unsent(&event);
            if let Event::Answered { token, .. } | Event::StreamEnded { token, .. } = event
                && is_unsent
                && self.waiters.has_permit(token)
            {
                self.permits.uncount();
            }
            match event {
                Event::Answered { token, result } => self.complete(token, result),
                event => self.complete_stream(event),
            }
        }
    }

    /// Starts the timeouts of new calls.
    fn start_timeouts(&mut self) {
        if self.connection.has_unstarted_timeouts() {
            self.connection.start_timeouts(Instant::now());
        }
    }

    pub(super) fn encode(&mut self) {
        let mut refused = Vec::new();
        let encoded = user_code::catch("the framing of the codec", || {
            self.writer.encode(&mut self.connection, &mut refused)
        });
        self.complete_all(refused);
        if let Err(panic) = encoded {
            self.break_after_panic(&panic);
        }
        self.wake_streams();
    }

    /// Writes as much as the stream accepts. `Ready`: nothing is left to write.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // After a batch of answers, a caller usually has nothing to write.
        let has_output = !self.is_written() || self.writer.is_closing();
        let flushed = if has_output { self.write(cx) } else { Poll::Ready(()) };
        if !self.writer.is_open() {
            self.permits.close();
        }
        if !self.parked.is_empty() && !self.must_wait(CallKind::default()) {
            self.unpark();
        }
        self.wake_item_senders();
        if self.parked.has_oneways() && self.congestion().is_none() {
            let oneways = self.parked.drain_oneways();
            self.wake_parked(oneways);
        }
        self.wake_streams();
        flushed
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut refused = Vec::new();
        let written = user_code::catch("the framing of the codec or the writer of the transport", || {
            self.writer.poll_flush(&mut self.connection, &mut refused, cx)
        });
        self.complete_all(refused);
        written.unwrap_or_else(|panic| {
            self.break_after_panic(&panic);
            Poll::Ready(())
        })
    }

    /// Breaks the connection after a panic of user code. Every call in flight ends with an error
    /// that names the panic.
    #[cold]
    pub(super) fn break_after_panic(&mut self, panic: &str) {
        self.writer.break_off(io::Error::other(panic.to_owned()));
        self.permits.close();
        let ended = self.connection.fail(|name| lost_to_panic(name, panic));
        self.woken.extend(self.handler_streams.take_all());
        self.update_given_up();
        self.complete_all(ended);
        self.wake_task();
        self.unpark();
    }

    /// Returns the error of a broken stream, once.
    pub(super) fn take_write_error(&mut self) -> Option<io::Error> {
        self.writer.take_error()
    }

    /// Ends the calls whose deadline was at or before `until`. Returns the next deadline, if any.
    pub(super) fn handle_timeout(&mut self, until: Option<Instant>) -> Option<Instant> {
        self.start_timeouts();
        if let Some(until) = until {
            self.end_expired(until);
        }
        self.task.timer = self.connection.poll_timeout();
        self.task.timer
    }

    #[cold]
    fn end_expired(&mut self, until: Instant) {
        let is_queue_full = self.is_item_queue_full();
        let mut expired = self.connection.handle_timeout(until);
        self.permits.add_timeouts(expired.len());
        self.update_given_up();
        if expired.iter().any(is_unsent) {
            self.call_blocked();
        }
        // A full queue keeps the caller from sending its items: the worker does not read.
        let is_overrun = |event: &&mut Event<usize>| is_queue_full || !waited_for_caller(event);
        if self.on_timeout == OnTimeout::Kill {
            for event in expired.iter_mut().filter(is_overrun) {
                self.overran = true;
                error_mut(event).into_iter().for_each(add_kill);
            }
        }
        self.complete_all(expired);
        if self.overran {
            self.permits.close();
        }
    }

    /// Returns the deadline of a call if its caller, which runs on `runtime`, does not run on that
    /// of the connection task.
    #[cold]
    pub(super) fn deadline_away(&mut self, id: &TxId, runtime: Option<Id>) -> Option<Instant> {
        if self.is_home(runtime) {
            return None;
        }
        self.start_timeouts();
        self.connection.deadline(id)
    }

    /// Returns `true` if a call timed out and the worker must be killed.
    pub(super) fn has_overrun(&self) -> bool {
        self.overran
    }

    pub(super) fn ping(&mut self) {
        self.connection.ping();
        self.wake_task();
    }

    pub(super) fn stop_calls(&mut self, availability: Availability) {
        self.availability = availability;
        self.permits.close();
        self.unpark();
        self.wake_task();
    }

    pub(super) fn shut_down(&mut self, knows_go_away: bool) {
        if knows_go_away {
            self.connection.send_go_away(GoAway::End);
        }
        self.shutdown = Some(if knows_go_away { Shutdown::Announced } else { Shutdown::Refusing });
        self.wake_task();
    }

    /// Handles a go-away from the worker. Returns what it announces.
    pub(super) fn handle_go_away_of_worker(&mut self, go_away: GoAway) -> CloseReason {
        self.permits.close();
        match go_away {
            GoAway::PrepareDetach => return CloseReason::Detachable,
            GoAway::Detach => return CloseReason::Detached,
            _ => {}
        }
        // Confirms that no more calls are in transit. Any go-away of this side does.
        if !self.connection.has_sent_go_away() {
            self.connection.send_go_away(GoAway::End);
        }
        CloseReason::Leaving
    }

    /// Handles a go-away from the host. Returns `None` if the connection continues as before.
    pub(super) fn handle_go_away_of_host(&mut self, go_away: GoAway) -> Option<CloseReason> {
        match (self.shutdown, go_away) {
            // Both sides have announced the end.
            (Some(Shutdown::Announced | Shutdown::Refusing), _) => {
                self.shutdown = Some(Shutdown::Confirmed);
                None
            }
            (None, GoAway::Drain) => {
                self.shutdown = Some(Shutdown::Confirmed);
                self.connection.send_go_away(GoAway::End);
                Some(CloseReason::Leaving)
            }
            (None, GoAway::PrepareDetach) => {
                self.connection.send_go_away(GoAway::PrepareDetach);
                None
            }
            (None, GoAway::Detach) => Some(CloseReason::Detached),
            (Some(Shutdown::Confirmed) | None, _) => Some(CloseReason::GoAway(go_away)),
        }
    }

    /// Answers a request of the peer, and closes its streams.
    #[inline]
    pub(super) fn answer(&mut self, id: &TxId, result: Result<Response, Box<RemoteError>>) {
        self.connection.answer(id, result);
        self.close_handler(id);
    }

    /// Returns the request. Refuses it and returns `None` if this side shuts down and the peer does
    /// not support go-aways.
    pub(super) fn admit(&mut self, request: Request) -> Option<Request> {
        if self.shutdown != Some(Shutdown::Refusing) {
            return Some(request);
        }
        if let Some(id) = request.id().filter(|_| !request.is_oneway()) {
            let text = format!(
                "could not call `{}`: the worker is shutting down; call another worker",
                request.name()
            );
            self.connection.answer(id, Err(Box::new(Error::new(ErrorKind::Closed, text).to_remote())));
        } else {
            self.connection.finish_oneways(Admission::oneway_cost(request.bytes()));
        }
        None
    }

    /// Returns `true` if this side shuts down, and the peer sends no more requests or they are
    /// refused.
    pub(super) fn takes_no_requests(&self) -> bool {
        matches!(self.shutdown, Some(Shutdown::Confirmed | Shutdown::Refusing))
    }

    /// Returns `true` if every answer that the peer still wants has been written.
    pub(super) fn has_answered(&self) -> bool {
        self.connection.serving() == self.connection.cancelled() && self.is_written()
    }

    /// Returns `true` if the stream accepts bytes.
    pub(super) fn is_open(&self) -> bool {
        self.writer.is_open()
    }

    pub(super) fn is_written(&self) -> bool {
        self.writer.is_written(&self.connection)
    }

    /// Returns `true` if no caller waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.in_flight() == self.connection.given_up()
    }

    /// Registers the waker of the task before it sleeps. `spins`: `true` if new calls wake it.
    pub(super) fn sleep(&mut self, spins: bool, cx: &Context<'_>) {
        self.task.spins = spins;
        if self.task.completed > 0 {
            self.task.completes_in_batches = std::mem::take(&mut self.task.completed) > 1;
        }
        match &mut self.task.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.task.waker = Some(cx.waker().clone()),
        }
    }

    /// Wakes the task, at most once each time it sleeps.
    pub(super) fn wake_task(&mut self) {
        self.woken.extend(self.task.waker.take());
    }

    /// Takes the wakers to call after the mutex is released.
    #[inline]
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Moves the wakers to `into`. Both vectors keep their capacity, for a caller that does this
    /// repeatedly.
    pub(super) fn append_woken(&mut self, into: &mut Vec<Waker>) {
        into.append(&mut self.woken);
    }

    pub(super) fn fail(&mut self, availability: Availability, error: impl FnMut(&str) -> Error) {
        self.availability = availability;
        self.permits.close();
        let retracted = self.writer.retract();
        let unsent = if self.permits.taken() > 0 { self.unsent(retracted) } else { Vec::new() };
        let ended = self.connection.fail(error);
        self.woken.extend(self.handler_streams.take_all());
        self.update_given_up();
        self.complete_all(ended);
        for (waiter, request) in unsent {
            self.unsent += 1;
            self.waiters.return_unsent(waiter, request);
        }
        self.wake_task();
        self.unpark();
    }

    /// Returns the requests that were not offered to the stream, decoded from their own encoding.
    /// Therefore a call in flight needs no copy of its request in case its worker crashes first
    /// (decision 23).
    #[cold]
    fn unsent(&mut self, retracted: Vec<Bytes>) -> Vec<(usize, Request)> {
        let mut frames =
            user_code::catch("the framing of the codec", || self.writer.decode_retracted(retracted))
                .unwrap_or_default();
        frames.extend(std::iter::from_fn(|| self.connection.poll_encode()));
        let held = std::iter::from_fn(|| self.connection.take_held());
        frames.extend(held.map(|(id, request)| Frame::Request { id, request }));
        let unsent = frames.into_iter().filter_map(|frame| {
            let frame = match frame {
                Frame::Unmarked { request, .. } => *request,
                frame => frame,
            };
            match frame {
                // Its descriptors are gone with its bytes.
                Frame::Request { request, .. }
                    if matches!(request.body().attachments(), Some(Attachments::Named(_))) =>
                {
                    None
                }
                // A oneway message has no call, but its id may equal the id of a call.
                Frame::Request { id, request } if !request.is_oneway() => {
                    Some((*self.connection.token(&id)?, self.services.keep(request.sent_back(id))))
                }
                _ => None,
            }
        });
        unsent.collect()
    }

    /// Ends every call because the task that drives the connection was dropped, unless the link has
    /// ended before. Returns the writer. Drop it after the mutex is released.
    #[must_use = "the writer must be dropped after the mutex is released"]
    pub(super) fn abandon_link(&mut self) -> Box<dyn AsyncWrite + Send + Unpin> {
        if !self.availability.is_final() {
            self.fail(Availability::Abandoned, abandoned);
        }
        self.writer.close_stream()
    }

    pub(super) fn close(&mut self, go_away: GoAway, error: impl FnMut(&str) -> Error) {
        let ends = matches!(go_away, GoAway::End | GoAway::Drain);
        self.fail(if ends { Availability::Closed } else { Availability::Disconnected }, error);
        self.go_away(go_away);
    }

    /// Sends a go-away after everything that is queued.
    pub(super) fn go_away(&mut self, go_away: GoAway) {
        if matches!(go_away, GoAway::End | GoAway::Drain) {
            self.availability = Availability::Closed;
        }
        self.connection.send_go_away(go_away);
        // After these, both sides go on reading.
        if !matches!(go_away, GoAway::Drain | GoAway::PrepareDetach | GoAway::Detach) {
            self.writer.shut_down_when_written();
        }
        self.wake_task();
    }
}

/// Returns `true` if a call has ended before its request was sent.
fn is_unsent(event: &Event<usize>) -> bool {
    let result = match event {
        Event::Answered { result, .. } => result,
        Event::StreamEnded { end, .. } => &end.result,
        _ => return false,
    };
    matches!(result, Err(error) if error.executed() == Executed::No)
}

/// Error with which a call has ended.
#[cold]
fn error_mut(event: &mut Event<usize>) -> Option<&mut Error> {
    match event {
        Event::Answered { result, .. } => result.as_mut().err(),
        Event::StreamEnded { end, .. } => end.result.as_mut().err(),
        _ => None,
    }
}

/// Adds to the error of a call that has timed out that its worker is killed because of that.
#[cold]
pub(super) fn add_kill(error: &mut Error) {
    let text = format!("{error}; its worker was killed because of that, as set by `OnTimeout::Kill`");
    *error = Error::new(error.kind(), text).with_executed(error.executed()).of_call();
}

/// Returns `true` if a call with streams has timed out while it waited for its own caller.
fn waited_for_caller(event: &Event<usize>) -> bool {
    matches!(event, Event::StreamEnded { end, .. } if end.waited_for_owner)
}

/// Runtime that the current thread runs on or has entered.
#[inline]
pub(super) fn current_runtime() -> Option<Id> {
    Handle::try_current().ok().map(|runtime| runtime.id())
}

#[cold]
fn lost_to_panic(name: &str, panic: &str) -> Error {
    let text =
        format!("could not complete `{name}`: the connection was closed because {panic}; fix the panic");
    Error::new(ErrorKind::Crashed, text)
}
