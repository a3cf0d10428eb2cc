use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use isolated_workers_codec::{Codec, FrameError};
use isolated_workers_core::protocol::Event;
use isolated_workers_core::{Error, ErrorKind, Frame, GoAway, Limits, Request, Response};
use isolated_workers_transport::TryRead;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep, sleep_until};

use super::descriptor_intake::DescriptorIntake;
use super::frame_reader::FrameReader;
use super::spin::Spin;
use super::{Answer, Link, RequestHandler, user_code};
use crate::Latency;
use crate::timeouts::DRIVER_TURN;

/// Maximum number of frames that a serving side decodes before it starts their requests. Small
/// enough for the frames to stay in the CPU cache.
const MAX_REQUEST_BATCH: usize = 8;

/// Number of pending answers at which they are written before the rest of the input is handled. The
/// peer can then process them in the meantime.
const EARLY_ANSWERS: usize = 64;

/// Size in bytes of pending answers at which they are written before the rest of the input is
/// handled.
const EARLY_ANSWER_BYTES: usize = 256 << 10;

/// Maximum number of answers handled under one lock, so that callers on other threads can take the
/// lock in between.
const MAX_ANSWER_BATCH: usize = 32;

/// Maximum number of batches of waiting requests that start at once.
const MAX_WAITING_BATCHES: usize = 8;

/// Maximum number of reads before the task yields to other tasks.
const MAX_READS: usize = 16;

/// Time for which reading continues after a write error.
const READ_AFTER_WRITE_ERROR_TIMEOUT: Duration = Duration::from_millis(100);

/// Names of the user code on the reading half, for the errors of panics.
const READER: &str = "the reader of the transport";
const FRAMING: &str = "the framing of the codec";
const HANDLER: &str = "the request handler";

/// Reason why a connection closed.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The peer ended the stream between two frames.
    Eof,
    /// The host sent a go-away.
    GoAway(GoAway),
    /// The worker ends when the calls in flight are answered: it sent a go-away to its host, or the
    /// host asked it to drain. The connection has not ended: poll the task again.
    Leaving,
    /// The worker waits for the go-away that detaches it. The connection has not ended: poll the
    /// task again.
    Detachable,
    /// The host detaches the worker, or the worker confirms that. The connection has not ended:
    /// poll the task again.
    Detached,
    /// The stream broke, or ended within a frame, or user code panicked.
    Broken(io::Error),
    /// The peer broke the protocol.
    Violated(Error),
    /// The peer did not answer a call in time, and the policy is to kill it.
    Overran,
}

impl CloseReason {
    /// Returns `true` if the peer may have ended the stream on purpose, if only within a frame that
    /// it was writing.
    pub(crate) fn is_end_of_stream(&self) -> bool {
        match self {
            Self::Eof => true,
            Self::Broken(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            _ => false,
        }
    }
}

/// Future that drives a connection: reads, answers and writes until the connection closes.
pub(crate) struct ConnectionTask<C: Codec, R, H> {
    link: Link<C>,
    reader: FrameReader<C::Framing, R>,
    handler: H,
    spin: Spin,
    /// `true` if a call of this side waits for its answer.
    awaits_answers: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// Time at which a deadline was found to have passed, and the timer after which the calls that
    /// were due then expire. Answers that arrived in time are read in between.
    expiry: Option<(Instant, Pin<Box<Sleep>>)>,
    /// `true` if the peer waits before it sends more than this side takes, so that this side never
    /// stops reading.
    is_announced: bool,
    /// Requests that have arrived, and whose handlers start when the peer has read answers.
    waiting: VecDeque<Request>,
    /// `true` if decoding stopped, because a queue of this side is full, before the buffered frames
    /// were handled.
    has_backlog: bool,
    /// Reason why the stream ended, while there is a backlog or requests wait.
    end: Option<CloseReason>,
    /// Write error of the stream, and the timer after which reading stops too.
    write_error: Option<(io::Error, Pin<Box<Sleep>>)>,
    /// Name of the user code that is running, for the error if it panics.
    user_code: &'static str,
    buffers: Buffers,
}

/// Vectors that keep their capacity between polls.
struct Buffers {
    frames: Vec<Frame>,
    requests: Vec<Request>,
    answers: Vec<Answer>,
    woken: Vec<Waker>,
}

impl<C: Codec, R: TryRead + Unpin, H: RequestHandler> ConnectionTask<C, R, H> {
    /// Creates the task of `link`. `buffer` holds the bytes already read.
    pub(crate) fn new(link: Link<C>, limits: Limits, reader: R, buffer: BytesMut, handler: H) -> Self {
        let is_announced = link.lock().connection.is_announced();
        let mut reader = FrameReader::new(link.0.codec.framing(limits), limits, reader, buffer);
        reader.set_descriptors(link.lock().incoming_descriptors().map(DescriptorIntake::new));
        let (frames, requests) = (Vec::new(), Vec::new());
        let buffers = Buffers { frames, requests, answers: Vec::new(), woken: Vec::new() };
        Self {
            link,
            reader,
            handler,
            spin: Spin::new(Latency::Frugal),
            awaits_answers: false,
            timer: None,
            expiry: None,
            is_announced,
            waiting: VecDeque::new(),
            has_backlog: false,
            end: None,
            write_error: None,
            user_code: READER,
            buffers,
        }
    }

    /// Sets the time for which the task looks for input before it sleeps. Default: none.
    pub(crate) fn with_latency(mut self, latency: Latency) -> Self {
        self.spin = Spin::new(latency);
        self
    }

    /// Continues with another link, to which the connection was handed over. May be called before
    /// another task polls this one.
    pub(super) fn set_link(&mut self, link: Link<C>) {
        self.link = link;
        // They would wake the previous task.
        (self.timer, self.expiry) = (None, None);
    }

    pub(crate) fn handler(&self) -> &H {
        &self.handler
    }

    #[cfg(test)]
    pub(super) fn handler_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Returns `true` if no request is being handled and every answer has been written.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.handler.is_idle() && self.link.lock().has_answered()
    }

    /// Returns `true` if nothing is left to write.
    pub(crate) fn is_written(&self) -> bool {
        self.link.lock().is_written()
    }

    /// Returns `true` if this side shuts down, and the peer sends no more requests or they are
    /// refused.
    pub(crate) fn takes_no_requests(&self) -> bool {
        self.link.lock().takes_no_requests()
    }

    fn poll_task(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        // Result of a read before the task would have slept.
        let mut early = None;
        let mut has_woken = false;
        for turn in 0..MAX_READS {
            // Usually nothing that waits depends on it, so that the lock is not taken before a
            // read.
            let decides = !H::SERVES || !self.is_announced || !self.waiting.is_empty();
            let is_congested = decides && self.is_congested();
            let is_stalled = self.is_stalled(is_congested);
            let has_input = self.has_backlog && !is_stalled || !self.waiting.is_empty() && !is_congested;
            let has_handled_all = !self.has_backlog && self.waiting.is_empty();
            let mut read = match self.end.take_if(|_| has_input || has_handled_all) {
                Some(reason) => Poll::Ready(Err(reason)),
                None if is_stalled || has_input || self.end.is_some() => Poll::Pending,
                None => early.take().map_or_else(|| self.poll_read(cx), Poll::Ready),
            };
            if self.reader.take_memory_released() {
                self.handler.memory_released();
            }
            if turn > 0 && read.is_pending() && !is_stalled && !has_input && self.expiry.is_none() {
                // The previous iteration has already handled all input.
                match self.poll_spin(has_woken, cx) {
                    Poll::Ready(read) => early = Some(read),
                    Poll::Pending => return self.poll_write_error(cx),
                }
                continue;
            }
            let is_congested = is_congested || !decides && self.is_congested();
            // Frames received before the end of the stream are still handled.
            let go_away = match self.handle_input(&mut read, is_congested, cx) {
                Ok(go_away) => go_away,
                Err(error) => return Poll::Ready(CloseReason::Violated(error)),
            };
            let has_read_all = !matches!(read, Poll::Ready(Ok(()))) || turn == MAX_READS - 1;
            let has_overrun = self.write_output(has_read_all, cx);
            if !self.buffers.woken.is_empty() {
                has_woken = true;
                user_code::wake_all(self.buffers.woken.drain(..));
            }
            if has_overrun {
                return Poll::Ready(CloseReason::Overran);
            }
            match (go_away, read) {
                // Requests received before the end of the stream are still handled.
                (None, Poll::Ready(Err(reason))) if self.has_backlog || !self.waiting.is_empty() => {
                    self.end = Some(reason);
                }
                // A connection that has ended has no calls left to answer.
                (
                    Some(CloseReason::Leaving | CloseReason::Detachable | CloseReason::Detached) | None,
                    Poll::Ready(Err(reason)),
                ) => return Poll::Ready(reason),
                (Some(reason), _) => return Poll::Ready(reason),
                (None, Poll::Ready(Ok(()))) => {}
                // If the reader was not polled, it has no waker. Poll it in the next iteration.
                (None, Poll::Pending) if is_stalled || has_input || !self.waiting.is_empty() => {
                    let is_congested = self.is_congested();
                    let may_start = self.waiting.is_empty() || !is_congested;
                    if self.is_stalled(is_congested) || !may_start {
                        return self.poll_write_error(cx);
                    }
                }
                (None, Poll::Pending) => match self.poll_spin(has_woken, cx) {
                    Poll::Ready(read) => early = Some(read),
                    Poll::Pending => return self.poll_write_error(cx),
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns `true` if no handler may start, because the peer does not read its answers, or too
    /// many cancelled handlers have not ended.
    fn is_congested(&self) -> bool {
        // A side that serves nothing checks this when a request arrives.
        (H::SERVES || !self.waiting.is_empty())
            && (self.handler.has_max_cancelled() || self.link.lock().is_full())
    }

    /// Returns `true` if no request may be read. Never if the peer waits before it sends more than
    /// this side takes: two sides that both stop reading would wait for each other forever.
    fn is_stalled(&self, is_congested: bool) -> bool {
        H::IS_WORKER && !self.is_announced && (is_congested || self.handler.is_full())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.user_code = READER;
        self.reader.poll_read(cx).map(|read| self.handle_read(read))
    }

    fn handle_read(&mut self, read: io::Result<usize>) -> Result<(), CloseReason> {
        match read {
            Ok(0) => Err(CloseReason::Eof),
            Ok(_) => {
                self.link.0.reads.fetch_add(1, Ordering::Relaxed);
                self.spin.handle_input();
                Ok(())
            }
            Err(error) => Err(CloseReason::Broken(error)),
        }
    }

    /// Looks for input for a short time before the task sleeps. Other threads run in between, and
    /// after a few tries the other tasks of the runtime. `has_woken`: `true` if callers were woken
    /// since the task was polled. They run first.
    fn poll_spin(&mut self, has_woken: bool, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        if !self.spin.begin(H::IS_WORKER || self.awaits_answers) {
            return Poll::Pending;
        }
        if !has_woken && self.handler.is_idle() {
            self.user_code = READER;
            let reader = &mut self.reader;
            let read = self.spin.try_often(|| match reader.try_read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                read => Some(read),
            });
            match read {
                Some(Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    self.spin.disable();
                    return Poll::Pending;
                }
                Some(read) => return Poll::Ready(self.handle_read(read)),
                None => {}
            }
        }
        if self.spin.continues() {
            // Wakes this task after all others that are ready. `wake_by_ref` would poll it many
            // times before the main future of the runtime.
            let _ = pin!(yield_now()).poll(cx);
            return Poll::Pending;
        }
        // A reader may have forgotten its waker.
        self.poll_read(cx)
    }

    /// Ends every call after a panic of user code on the reading half. Returns the close reason.
    #[cold]
    fn close_after_panic(&mut self, panic: String) -> CloseReason {
        self.link.change(|state| state.break_after_panic(&panic));
        CloseReason::Broken(io::Error::other(panic))
    }

    /// Returns the close reason for bytes that are not a frame. `read` is the result of the last
    /// read.
    fn undecodable(error: FrameError, read: Poll<Result<(), CloseReason>>) -> CloseReason {
        match (error, read) {
            // If the stream ended within a frame, it was cut off. The peer did not break the
            // protocol.
            (FrameError::Io(error), _) => CloseReason::Broken(error),
            (_, Poll::Ready(Err(CloseReason::Eof))) => {
                CloseReason::Broken(io::ErrorKind::UnexpectedEof.into())
            }
            (_, Poll::Ready(Err(reason))) => reason,
            (error, _) => {
                let remedy = "write only frames to the connection, and use the same codec on both sides";
                let text = format!("could not decode a frame of the peer as {}: {error}; {remedy}", C::ID);
                CloseReason::Violated(Error::new(ErrorKind::Protocol, text))
            }
        }
    }

    /// Handles the frames that were read, in batches, and the answers that handlers have completed.
    /// Returns the close reason if a go-away closes the connection. If a frame cannot be decoded,
    /// sets `read` to the close reason. While this side `is_congested`, the requests wait, or the
    /// frames stay in the reader.
    fn handle_input(
        &mut self,
        read: &mut Poll<Result<(), CloseReason>>,
        mut is_congested: bool,
        cx: &mut Context<'_>,
    ) -> Result<Option<CloseReason>, Error> {
        let mut go_away = None;
        let mut answer_bytes = 0;
        if !self.waiting.is_empty() && !is_congested {
            is_congested = self.start_waiting(cx);
        }
        while !self.is_stalled(is_congested) {
            let is_last = self.decode(read);
            self.user_code = HANDLER;
            self.handle_frames(&mut go_away)?;
            let answered = self.buffers.answers.len();
            if !self.buffers.requests.is_empty() {
                is_congested |= !H::SERVES && self.is_announced && self.link.lock().is_full();
                let Buffers { requests, answers, .. } = &mut self.buffers;
                if is_congested {
                    self.waiting.extend(requests.drain(..));
                } else {
                    self.handler.start(requests, answers, cx);
                }
            }
            self.has_backlog = !is_last;
            if is_last {
                break;
            }
            is_congested |= self.handler.has_max_cancelled();
            let Buffers { answers, woken, .. } = &mut self.buffers;
            user_code::wake_all(woken.drain(..));
            answer_bytes += answers[answered..].iter().map(size_of_answer).sum::<usize>();
            if answers.len() >= EARLY_ANSWERS || answer_bytes >= EARLY_ANSWER_BYTES {
                answer_bytes = 0;
                self.write_output(false, cx);
                is_congested = !self.waiting.is_empty() || self.is_congested();
            }
        }
        while let Poll::Ready(answer) = self.handler.poll_answer(cx) {
            self.buffers.answers.push(answer);
        }
        Ok(go_away)
    }

    /// Starts the handlers of requests that wait, in their order. Returns `true` if some still
    /// wait.
    #[cold]
    fn start_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        self.user_code = HANDLER;
        for _ in 0..MAX_WAITING_BATCHES {
            let Buffers { requests, answers, .. } = &mut self.buffers;
            let mut state = self.link.lock();
            if state.is_full() || self.handler.has_max_cancelled() {
                break;
            }
            let batch = self.waiting.len().min(MAX_REQUEST_BATCH);
            for request in self.waiting.drain(..batch) {
                match request.id().filter(|id| !request.is_oneway() && state.connection.is_cancelled(id)) {
                    // A request that was cancelled meanwhile never starts.
                    Some(id) => state.answer(id, Ok(Response::default())),
                    None => requests.push(request),
                }
            }
            drop(state);
            self.handler.start(requests, answers, cx);
            self.write_output(false, cx);
            if self.waiting.is_empty() {
                return false;
            }
        }
        true
    }

    /// Decodes a batch of frames. Returns `true` if no complete frame is left. If a frame cannot be
    /// decoded, sets `read` to the close reason.
    fn decode(&mut self, read: &mut Poll<Result<(), CloseReason>>) -> bool {
        let max = if H::IS_WORKER { MAX_REQUEST_BATCH } else { MAX_ANSWER_BATCH };
        self.user_code = FRAMING;
        while self.buffers.frames.len() < max {
            match self.reader.next_frame() {
                Ok(Some(frame)) => self.buffers.frames.push(frame),
                Ok(None) => return true,
                Err(error) => {
                    let so_far = std::mem::replace(read, Poll::Pending);
                    *read = Poll::Ready(Err(Self::undecodable(error, so_far)));
                    return true;
                }
            }
        }
        false
    }

    /// Passes the decoded frames to the state machine. Collects the requests and the wakers of
    /// completed calls.
    fn handle_frames(&mut self, go_away: &mut Option<CloseReason>) -> Result<(), Error> {
        let Buffers { frames, requests, woken, .. } = &mut self.buffers;
        if frames.is_empty() {
            return Ok(());
        }
        let mut state = self.link.lock();
        for frame in frames.drain(..) {
            let frame = match frame {
                // The ids of the two directions are independent, so an id does not tell. A side
                // that answers is called with requests that are not marked, and gets marked
                // answers. One that does not answer gets no requests, but perhaps a late answer to
                // an ended call.
                Frame::Unmarked { request, .. } if H::SERVES => *request,
                Frame::Unmarked { answer, .. } => *answer,
                frame => frame,
            };
            match state.connection.handle_frame(frame)? {
                Some(Event::Answered { token, result }) => state.complete(token, result),
                Some(event @ Event::StreamEnded { .. }) => state.complete_stream(event),
                Some(Event::Requested(request)) => {
                    if let Some(mut request) = state.admit(request) {
                        if !request.streams().is_none() {
                            state.open_handler(&mut request, || Arc::new(self.link.clone()));
                        }
                        requests.push(request);
                    }
                }
                Some(Event::Cancelled(id)) => {
                    // A request that is cancelled in its own batch never starts.
                    let in_batch =
                        requests.iter().position(|request| !request.is_oneway() && request.id() == Some(&id));
                    match in_batch {
                        Some(at) => {
                            requests.remove(at);
                            state.answer(&id, Ok(Response::default()));
                        }
                        None => self.handler.cancel(&id),
                    }
                }
                Some(Event::GoAway(received)) if H::IS_WORKER => {
                    if let Some(reason) = state.handle_go_away_of_host(received) {
                        *go_away = Some(reason);
                    }
                }
                Some(Event::GoAway(received)) => *go_away = Some(state.handle_go_away_of_worker(received)),
                _ => {}
            }
        }
        state.wake_streams();
        state.update_given_up();
        state.append_woken(woken);
        Ok(())
    }

    /// Ends the calls that have timed out, if everything that has arrived was read. Writes the
    /// answers and all other frames. Returns `true` if the peer must be killed because of a
    /// timeout.
    fn write_output(&mut self, has_read_all: bool, cx: &mut Context<'_>) -> bool {
        let finished_oneways = self.handler.take_finished_oneways();
        let mut state = self.link.lock();
        for (id, result) in self.buffers.answers.drain(..) {
            state.answer(&id, result);
        }
        if finished_oneways > 0 {
            state.connection.finish_oneways(finished_oneways);
        }
        let due = if has_read_all { poll_expiry(&mut self.expiry, cx) } else { None };
        if let Some(at) = state.handle_timeout(due)
            && self.expiry.is_none()
            && has_elapsed(&mut self.timer, at, cx)
        {
            let mut turn = Box::pin(sleep(DRIVER_TURN));
            // Registers the waker. The timer cannot have fired yet.
            let _ = turn.as_mut().poll(cx);
            self.expiry = Some((Instant::now(), turn));
        }
        let _ = state.flush(cx);
        if let Some(error) = state.take_write_error() {
            self.write_error = Some((error, Box::pin(sleep(READ_AFTER_WRITE_ERROR_TIMEOUT))));
        }
        let spins = self.spin.is_on();
        if spins {
            self.awaits_answers = !state.is_idle();
            self.spin.handle_sent(state.connection.sent_requests());
        }
        state.sleep(spins, cx);
        state.append_woken(&mut self.buffers.woken);
        state.has_overrun()
    }

    /// Waits after a write error until reading has continued for long enough, because the stream
    /// may still hold answers.
    fn poll_write_error(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        match &mut self.write_error {
            Some((_, sleep)) => ready!(sleep.as_mut().poll(cx)),
            None => return Poll::Pending,
        }
        match self.write_error.take() {
            Some((error, _)) => Poll::Ready(CloseReason::Broken(error)),
            None => Poll::Pending,
        }
    }
}

/// Returns the time up to which deadlines have expired, once the runtime has reported everything
/// that had arrived at that time. After a stop of this process, its timers fire first.
fn poll_expiry(expiry: &mut Option<(Instant, Pin<Box<Sleep>>)>, cx: &mut Context<'_>) -> Option<Instant> {
    let (until, turn) = expiry.as_mut()?;
    let until = *until;
    match turn.as_mut().poll(cx) {
        Poll::Ready(()) => {
            *expiry = None;
            Some(until)
        }
        Poll::Pending => None,
    }
}

fn size_of_answer((_, result): &Answer) -> usize {
    match result {
        Ok(response) => response.body().len() + response.metadata().bytes(),
        Err(error) => error.message.len() + error.data.as_ref().map_or(0, |data| data.len()),
    }
}

/// Sets the timer to `at`. Returns `true` if that time has passed. The timer is polled only when it
/// is set. When it fires, it wakes the task, which then reads the clock.
fn has_elapsed(timer: &mut Option<Pin<Box<Sleep>>>, at: Instant, cx: &mut Context<'_>) -> bool {
    match timer {
        Some(timer) if timer.deadline() == at.into() && !timer.is_elapsed() => false,
        Some(timer) => {
            timer.as_mut().reset(at.into());
            timer.as_mut().poll(cx).is_ready()
        }
        None => timer.insert(Box::pin(sleep_until(at.into()))).as_mut().poll(cx).is_ready(),
    }
}

impl<C: Codec, R: TryRead + Unpin, H: RequestHandler> Future for ConnectionTask<C, R, H> {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let task = &mut *self;
        // One `catch_unwind` per poll. One per read and per batch of frames would cost a worker 150
        // more instructions per call (measured with `.ci/instructions`).
        match catch_unwind(AssertUnwindSafe(|| task.poll_task(cx))) {
            Ok(poll) => poll,
            Err(panic) => {
                let panic = user_code::describe(task.user_code, &*panic);
                Poll::Ready(task.close_after_panic(panic))
            }
        }
    }
}
