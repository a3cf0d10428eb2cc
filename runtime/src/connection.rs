//! A live connection: the state machine of the core, a stream, and those who wait for it.
//!
//! One task ([`Pump`]) does the reading and, as a rule, the writing. A caller puts its request into the shared state
//! under a short lock and wakes the task; where nothing else is in flight it writes at once itself, because nothing
//! could be gained by waiting for company.

mod call;
mod incoming;
mod outgoing;
mod places;
mod pump;
mod seats;
mod state;

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Limits, Request, Response, TxIdGenerator};
use isolated_workers_middleware::Service;
use tokio::io::AsyncWrite;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::call::{Call, Linked};
pub(crate) use self::pump::{Answer, End, Inbound, Nobody, Pump};
pub(crate) use self::state::Presence;
use self::state::State;
use crate::OnTimeout;

/// The service at the other end of a connection, without any middleware around it.
pub struct Link<C: Codec>(Arc<Shared<C>>);

struct Shared<C: Codec> {
    codec: C,
    ids: Arc<dyn TxIdGenerator>,
    /// For calls that do not say; zero is none.
    timeout: Duration,
    state: Mutex<State<C::Framing>>,
    /// How many seats are free.
    free: Arc<AtomicU32>,
    /// How often something has come from the other side.
    heard: AtomicU64,
    /// How many calls in flight want the worker to be started again if it dies.
    again: AtomicUsize,
    /// For the one call that is made again with no other such call beside it.
    probation: Semaphore,
}

/// A call that wants the worker to be started again if it dies.
pub(crate) struct Again<'a>(&'a AtomicUsize);

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<C: Codec> Link<C> {
    pub(crate) fn new(
        codec: C,
        limits: Limits,
        ids: Arc<dyn TxIdGenerator>,
        timeout: Duration,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let state = State::new(codec.framing(limits), Box::new(writer));
        let (free, state) = (state.seats.free(), Mutex::new(state));
        let heard = AtomicU64::new(0);
        let again = AtomicUsize::new(0);
        Self(Arc::new(Shared {
            codec,
            ids,
            timeout,
            state,
            free,
            heard,
            again,
            probation: Semaphore::new(1),
        }))
    }

    /// Says what happens when the time of a call is over, and whether calls wait for a worker that ends by itself to be
    /// started again.
    pub(crate) fn set_policy(&self, on_timeout: OnTimeout, respawns: bool) {
        self.lock().set_policy(on_timeout, respawns);
    }

    /// How long a call may take that does not say. Zero is no limit.
    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Changes each time that something comes from the other side.
    pub(crate) fn heard(&self) -> u64 {
        self.0.heard.load(Ordering::Relaxed)
    }

    /// Asks the other side for a sign of life.
    pub(crate) fn ping(&self) {
        self.change(|state| state.ping());
    }

    /// Says that a call in flight wants the worker to be started again, for as long as the value is there.
    pub(crate) fn again(&self) -> Again<'_> {
        self.0.again.fetch_add(1, Ordering::AcqRel);
        Again(&self.0.again)
    }

    pub(crate) fn is_wanted_again(&self) -> bool {
        self.0.again.load(Ordering::Acquire) > 0
    }

    /// QueueStats until no other call is on probation.
    pub(crate) async fn probation(&self) -> SemaphorePermit<'_> {
        self.0.probation.acquire().await.expect("it is never closed")
    }

    /// Whether a call is on probation: it had been in flight when a worker died before.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.0.probation.available_permits() == 0
    }

    /// How many more calls there may be, where seats are counted, as it was a moment ago.
    #[inline]
    pub(crate) fn free_seats(&self) -> u32 {
        self.0.free.load(Ordering::Relaxed)
    }

    /// Lets so many calls in at once. From `calls_end` calls on, each one that ends is told to be due.
    pub(crate) fn open_seats(&self, most: u32, calls_end: u64) {
        self.lock().seats.open(most, calls_end);
    }

    /// Lets no more calls in.
    pub(crate) fn close_seats(&self) {
        self.lock().seats.close();
    }

    /// Takes a seat for a call. `false`: there is none.
    pub(crate) fn take_seat(&self) -> bool {
        self.lock().take_seat()
    }

    /// Gives a seat back, and tells whether the worker is due.
    pub(crate) fn give_seat_back(&self) -> bool {
        self.lock().seats.give_back()
    }

    /// Whether calls are let in, how many seats are taken, and how many calls have had one.
    pub(crate) fn seats(&self) -> (bool, u32, u64) {
        let seats = &self.lock().seats;
        (seats.is_open(), seats.taken(), seats.calls())
    }

    /// Gives the stream up, which is of no use any more: its descriptor is closed, however long the link stays.
    pub(crate) fn release(&self) {
        self.lock().release();
    }

    /// Whether nobody else has this link, and no call is at it.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.lock().seats.taken() == 0
    }

    /// Changes the state, and wakes those who are to hear of it.
    fn change<T>(&self, change: impl FnOnce(&mut State<C::Framing>) -> T) -> T {
        let mut state = self.lock();
        let output = change(&mut state);
        let woken = state.woken();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        output
    }

    /// No code of others runs under this lock, so that a panic cannot poison it.
    fn lock(&self) -> MutexGuard<'_, State<C::Framing>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every call in flight with what `error` makes of the name of its message; from then on it is as `presence`
    /// says.
    pub(crate) fn fail(&self, presence: Presence, error: impl FnMut(&str) -> Error) {
        self.change(|state| state.fail(presence, error));
    }

    /// Fails what is in flight, says goodbye, and ends the stream in this direction. With `stay`, the other side is to
    /// wait for so long until it is reached again, and calls are refused with a word about that.
    pub(crate) fn close(&self, linger: Option<Duration>, error: impl FnMut(&str) -> Error) {
        self.change(|state| state.close(linger, error));
    }

    /// Refuses further calls; those in flight go on.
    pub(crate) fn drain(&self) {
        self.change(|state| state.drain());
    }

    /// Says goodbye and goes on with what the other side has asked for, which asks for no more as soon as it hears it. One
    /// that may not know what a goodbye is (`!is_known`) hears none, and is refused what it asks for from now on.
    pub(crate) fn take_leave(&self, is_known: bool) {
        self.change(|state| state.take_leave(is_known));
    }

    /// Whether nothing is in flight and nothing waits to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Whether the other side has been left, to be reached again.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.lock().presence(), Presence::Away)
    }

    /// Goes on over a new stream.
    pub(crate) fn renew(&self, limits: Limits, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let framing = self.0.codec.framing(limits);
        self.change(|state| state.renew(framing, Box::new(writer)));
    }
}

impl<C: Codec> Service for Link<C> {
    type Codec = C;
    // There is no code of others in it, but that of codecs, whose panics nobody looks for without middleware either.
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        Call::new(self, request)
    }
}

impl<C: Codec> Clone for Link<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Codec> fmt::Debug for Link<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("codec", &C::ID).finish_non_exhaustive()
    }
}
