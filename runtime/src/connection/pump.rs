use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use isolated_workers_codec::{Codec, FrameError};
use isolated_workers_core::protocol::Event;
use isolated_workers_core::{Error, ErrorKind, Frame, Limits, Request, Response, TxId};
use tokio::io::AsyncRead;
use tokio::time::{Sleep, sleep, sleep_until};

use super::Link;
use super::incoming::Incoming;

/// How many frames a side that serves takes in before it begins their requests: few enough that they are still close at
/// hand.
const AT_ONCE: usize = 8;

/// So many answers leave before the rest of what was read is handled: the other side is at work on them meanwhile.
const EARLY: usize = 64;

/// How many answers are taken in under one lock, before callers on other threads get it.
const UNDER_LOCK: usize = 32;

/// How often the task reads before it lets others run.
const TURNS: usize = 16;

/// How long a stream that can no longer be written is still read.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The answer to a request that is not oneway.
pub(crate) type Answer = (TxId, Result<Response, Error>);

/// What answers the requests of the other side.
pub(crate) trait Inbound: Send + Unpin {
    /// Whether requests are served here, whose answers can pile up, so that reading must wait while the other side does
    /// not take them.
    const ANSWERS: bool;

    /// Begins to handle requests that came together, and leaves none. Answers that are there at once go out together.
    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, cx: &mut Context<'_>);

    /// Stops handling a request.
    fn cancel(&mut self, id: &TxId);

    /// An answer that took its time. `Pending` where there is none (yet).
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer>;

    /// Whether nothing is being handled.
    fn is_idle(&self) -> bool;

    /// The memory of large bodies has been given back to the allocator.
    fn gave_back(&self) {}
}

/// Answers nothing: what a host has.
pub(crate) struct Nobody;

impl Inbound for Nobody {
    // Its requests can pile up, and it must read on for the other side to get on with them.
    const ANSWERS: bool = false;

    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, _: &mut Context<'_>) {
        answers.extend(requests.drain(..).filter(|request| !request.is_oneway()).filter_map(|request| {
            let text = format!("there is no handler for `{}` on this side", request.name());
            Some((request.id()?.clone(), Err(Error::new(ErrorKind::UnknownMessage, text))))
        }));
    }

    fn cancel(&mut self, _: &TxId) {}

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The other side ended the stream between two frames.
    Eof,
    /// The other side said goodbye; `stay` is how long this one is to wait until it is reached again, if it is to.
    GoAway { linger: Option<Duration> },
    /// The stream broke, or ended within a frame.
    Broken(io::Error),
    /// The other side broke the protocol.
    Violated(Error),
    /// The other side did not answer a call in time, and is to be killed for that.
    Overran,
}

/// The task of a connection: a future that reads, answers and writes until the connection is over.
pub(crate) struct Pump<C: Codec, R, I> {
    link: Link<C>,
    incoming: Incoming<C::Framing, R>,
    inbound: I,
    timer: Option<Pin<Box<Sleep>>>,
    broken: Option<(io::Error, Pin<Box<Sleep>>)>,
    /// Kept between turns for their memory only.
    frames: Vec<Frame>,
    requests: Vec<Request>,
    answers: Vec<Answer>,
    woken: Vec<Waker>,
}

impl<C: Codec, R: AsyncRead + Unpin, I: Inbound> Pump<C, R, I> {
    /// Serves `link`. `buffer` holds what has been read already.
    pub(crate) fn new(link: Link<C>, limits: Limits, reader: R, buffer: BytesMut, inbound: I) -> Self {
        let incoming = Incoming::new(link.0.codec.framing(limits), limits, reader, buffer);
        Self {
            link,
            incoming,
            inbound,
            timer: None,
            broken: None,
            frames: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            woken: Vec::new(),
        }
    }

    pub(crate) fn inbound(&self) -> &I {
        &self.inbound
    }

    /// Whether all that came has been handled, and every answer been written.
    pub(crate) fn is_idle(&self) -> bool {
        self.inbound.is_idle() && self.link.lock().has_answered()
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_written(&self) -> bool {
        self.link.lock().is_written()
    }

    /// Whether the other side, to which this one has said goodbye, asks for nothing more.
    pub(crate) fn is_left(&self) -> bool {
        self.link.lock().is_left()
    }

    fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for turn in 0..TURNS {
            // A side that does not take its answers gets no more of them until it does.
            let stalled = I::ANSWERS && self.incoming.is_empty() && self.link.lock().is_full();
            let mut read = if stalled { Poll::Pending } else { self.poll_read(cx) };
            if self.incoming.gave_back() {
                self.inbound.gave_back();
            }
            if turn > 0 && read.is_pending() && !stalled {
                // The turn before has done all there was to do.
                return self.poll_broken(cx);
            }
            // What came before the end of the stream still counts.
            let farewell = match self.take_in(&mut read, cx) {
                Ok(farewell) => farewell,
                Err(error) => return Poll::Ready(End::Violated(error)),
            };
            let overran = self.put_out(cx);
            self.woken.drain(..).for_each(Waker::wake);
            if overran {
                return Poll::Ready(End::Overran);
            }
            if let Some(end) = farewell {
                return Poll::Ready(end);
            }
            match read {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                // Nothing will wake a reader that has not tried.
                Poll::Pending if stalled && !self.link.lock().is_full() => {}
                Poll::Pending => return self.poll_broken(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.incoming.poll_read(cx).map(|read| match read {
            Ok(0) => Err(End::Eof),
            Ok(_) => {
                self.link.0.heard.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(End::Broken(error)),
        })
    }

    fn undecodable(error: FrameError, read: Poll<Result<(), End>>) -> End {
        match (error, read) {
            // A stream that ends within a frame was cut off; the frame is not to blame.
            (FrameError::Io(error), _) => End::Broken(error),
            (_, Poll::Ready(Err(End::Eof))) => End::Broken(io::ErrorKind::UnexpectedEof.into()),
            (_, Poll::Ready(Err(end))) => end,
            (error, _) => {
                let what = "nothing but frames may be written to the connection, with the codec of this side";
                let text = format!("the other side sent what is no frame of {}: {error}; {what}", C::ID);
                End::Violated(Error::new(ErrorKind::Protocol, text))
            }
        }
    }

    /// Takes in the frames of what has been read, a few at a time, and the answers of handlers that took their time.
    /// Returns the end that it is when the other side said goodbye. `read` becomes the end where there is no frame.
    fn take_in(
        &mut self,
        read: &mut Poll<Result<(), End>>,
        cx: &mut Context<'_>,
    ) -> Result<Option<End>, Error> {
        let mut farewell = None;
        loop {
            let is_last = self.decode(read);
            self.handle(&mut farewell)?;
            if !self.requests.is_empty() {
                self.inbound.start(&mut self.requests, &mut self.answers, cx);
            }
            if is_last {
                break;
            }
            self.woken.drain(..).for_each(Waker::wake);
            if self.answers.len() >= EARLY {
                self.put_out(cx);
            }
        }
        while let Poll::Ready(answer) = self.inbound.poll_answer(cx) {
            self.answers.push(answer);
        }
        Ok(farewell)
    }

    /// Decodes a few frames; tells whether there are no more. `read` becomes the end where one is none.
    fn decode(&mut self, read: &mut Poll<Result<(), End>>) -> bool {
        let few = if I::ANSWERS { AT_ONCE } else { UNDER_LOCK };
        while self.frames.len() < few {
            match self.incoming.next_frame() {
                Ok(Some(frame)) => self.frames.push(frame),
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

    /// Lets the connection have what was decoded, and gathers the requests and those whose calls have ended.
    fn handle(&mut self, farewell: &mut Option<End>) -> Result<(), Error> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let mut state = self.link.lock();
        for frame in self.frames.drain(..) {
            let frame = match frame {
                // Nobody asks a side that serves nothing; late answers to calls that are over come all the same.
                Frame::Unmarked { answer, .. } if !I::ANSWERS => *answer,
                frame => frame,
            };
            match state.connection.handle_frame(frame)? {
                Some(Event::Answered { token, result }) => state.settle(token, result),
                Some(Event::Requested(request)) => self.requests.extend(state.admit(request)),
                Some(Event::Cancelled(id)) => {
                    // One that came with its request in this very batch never starts.
                    let waiting = self
                        .requests
                        .iter()
                        .position(|request| !request.is_oneway() && request.id() == Some(&id));
                    match waiting {
                        Some(at) => drop(self.requests.remove(at)),
                        None => self.inbound.cancel(&id),
                    }
                }
                Some(Event::GoAway { linger }) => {
                    let goes_on = state.hear_go_away(I::ANSWERS);
                    if !goes_on {
                        *farewell = Some(End::GoAway { linger });
                    }
                }
                _ => {}
            }
        }
        state.take_woken(&mut self.woken);
        Ok(())
    }

    /// Writes the answers, and whatever else waits to be written; gives up the calls whose time is over. Tells whether
    /// the other side is to be killed for one of them.
    fn put_out(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.link.lock();
        for (id, result) in self.answers.drain(..) {
            state.connection.answer(&id, result.map_err(|error| Box::new(error.to_remote())));
        }
        while let Some(at) = state.handle_timeout() {
            if !elapsed(&mut self.timer, at, cx) {
                break;
            }
        }
        let _ = state.flush(cx);
        if let Some(error) = state.broken() {
            self.broken = Some((error, Box::pin(sleep(LAST_WORDS))));
        }
        state.sleep(cx);
        state.take_woken(&mut self.woken);
        state.has_overrun()
    }

    /// A stream that takes nothing more may still hold answers: its end, or a moment, tells that there are none.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match &mut self.broken {
            Some((_, moment)) => ready!(moment.as_mut().poll(cx)),
            None => return Poll::Pending,
        }
        match self.broken.take() {
            Some((error, _)) => Poll::Ready(End::Broken(error)),
            None => Poll::Pending,
        }
    }
}

/// Sets the timer to `at`, and tells whether that is over already. The timer is polled only when it is set anew: when
/// it fires, it wakes the task, which then looks at the clock itself.
fn elapsed(timer: &mut Option<Pin<Box<Sleep>>>, at: Instant, cx: &mut Context<'_>) -> bool {
    match timer {
        Some(timer) if timer.deadline() == at.into() && !timer.is_elapsed() => false,
        Some(timer) => {
            timer.as_mut().reset(at.into());
            timer.as_mut().poll(cx).is_ready()
        }
        None => timer.insert(Box::pin(sleep_until(at.into()))).as_mut().poll(cx).is_ready(),
    }
}

impl<C: Codec, R: AsyncRead + Unpin, I: Inbound> Future for Pump<C, R, I> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        self.poll_pump(cx)
    }
}
