//! Live connection: the protocol state machine, a stream, and the callers that wait for answers.
//!
//! The [`ConnectionTask`] reads, and usually it also writes. A caller adds its request to the
//! shared [`State`] under a mutex and wakes the task. If no other call is in flight, the caller
//! writes the request itself.
//!
//! Three kinds of user code run under that mutex: the framing of the codec, the writer of the
//! transport, and the clone of a waker. [`State`] catches the panics of the first two, closes the
//! connection and ends every call with an error that names the panic. Wakers are cloned before the
//! state changes, so their panics concern only their callers. All other user code runs without the
//! mutex: id generators, values
//! and their codecs, handlers, wake-ups and the destructors of streams, wakers and answers.

mod alarm;
mod availability;
#[cfg(test)]
mod backpressure_tests;
mod call;
mod descriptor_intake;
mod descriptor_marks;
#[cfg(test)]
mod descriptors_tests;
mod dyn_link;
mod frame_reader;
mod frame_writer;
mod handover;
#[cfg(test)]
mod items_tests;
mod link_calls;
#[cfg(test)]
mod nested_tests;
mod owner;
mod parked;
mod peer_services;
mod permits;
#[cfg(test)]
mod reconnect_tests;
mod request_handler;
#[cfg(test)]
mod runtime_tests;
mod spin;
#[cfg(test)]
mod spin_tests;
mod state;
mod streams;
mod task;
mod user_code;
mod waiters;

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::{Error, GoAway, Request, Response, TxIdGenerator};
use isolated_workers_middleware::Service;
use isolated_workers_transport::ChannelDescriptors;
use tokio::io::AsyncWrite;

pub(crate) use self::alarm::passed;
pub(crate) use self::availability::Availability;
pub(crate) use self::call::{Call, CallTarget, Suspect, Unsent};
pub(crate) use self::handover::HostTask;
pub(crate) use self::link_calls::StreamRequest;
pub(crate) use self::owner::LinkOwner;
pub(crate) use self::permits::PermitCounts;
pub(crate) use self::request_handler::{Answer, RejectAll, RequestHandler};
use self::state::State;
pub(crate) use self::streams::ItemSender;
pub(crate) use self::task::{CloseReason, ConnectionTask};
pub(crate) use self::user_code::{catch as catch_panic, wake_all};
use crate::OnTimeout;

/// Service that calls the peer of a connection, without middleware.
pub struct Link<C: Codec>(Arc<Shared<C>>);

struct Shared<C: Codec> {
    codec: C,
    ids: Arc<dyn TxIdGenerator>,
    /// Timeout of calls that set none. Zero means no limit.
    timeout: Duration,
    body_limit: BodyLimit,
    state: Mutex<State<C::Framing>>,
    /// Number of available permits, readable without the mutex.
    available_permits: Arc<AtomicU32>,
    /// Number of reads that returned bytes.
    reads: AtomicU64,
    /// Number of calls interested in a restart of the worker if it crashes.
    respawn_interests: AtomicUsize,
}

/// Guard that marks a call as interested in a restart of the worker after a crash. The interest
/// ends when the guard is dropped.
pub(crate) struct RespawnInterest<'a>(&'a AtomicUsize);

impl Drop for RespawnInterest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<C: Codec> Link<C> {
    pub(crate) fn new(
        codec: C,
        terms: impl Into<Terms>,
        ids: Arc<dyn TxIdGenerator>,
        timeout: Duration,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let terms = terms.into();
        let (framing, body_limit) = (codec.framing(terms.limits), codec.body_limit(terms.limits));
        let state = State::new(framing, terms, Box::new(writer));
        let (available_permits, state) = (state.permits.available(), Mutex::new(state));
        Self(Arc::new(Shared {
            codec,
            ids,
            timeout,
            body_limit,
            state,
            available_permits,
            reads: AtomicU64::new(0),
            respawn_interests: AtomicUsize::new(0),
        }))
    }

    /// Carries descriptors beside frames. Call it before the connection task is created.
    pub(crate) fn carry_descriptors(&self, descriptors: &ChannelDescriptors) {
        descriptors.incoming.open();
        self.lock().carry_descriptors(descriptors.clone());
    }

    /// Sets the effect of a timeout. `respawns`: `true` if calls wait for the restart of a worker
    /// that exits.
    pub(crate) fn set_policy(&self, on_timeout: OnTimeout, respawns: bool) {
        self.lock().set_policy(on_timeout, respawns);
    }

    /// Allows calls after a go-away, until the connection has ended. For a worker, whose handlers
    /// finish after it and may call their host.
    pub(crate) fn call_until_closed(&self) {
        self.lock().connection.set_calls_after_go_away(true);
    }

    /// Timeout of calls that set none. Zero means no limit.
    pub(crate) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Number of reads that returned bytes. Increases each time bytes arrive from the peer.
    pub(crate) fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// Sends a keep-alive probe.
    pub(crate) fn ping(&self) {
        self.change(|state| state.ping());
    }

    /// Registers interest in a restart of the worker.
    pub(crate) fn respawn_interest(&self) -> RespawnInterest<'_> {
        self.0.respawn_interests.fetch_add(1, Ordering::AcqRel);
        RespawnInterest(&self.0.respawn_interests)
    }

    pub(crate) fn has_respawn_interest(&self) -> bool {
        self.0.respawn_interests.load(Ordering::Acquire) > 0
    }

    /// Returns `true` if a [suspect](Suspect) is running.
    pub(crate) fn has_suspect(&self) -> bool {
        self.lock().has_suspect()
    }

    /// Number of available permits. It may be stale.
    #[inline]
    pub(crate) fn available_permits(&self) -> u32 {
        self.0.available_permits.load(Ordering::Relaxed)
    }

    /// Allows `max` concurrent calls, and `max_acquired` calls in all. Once `due_acquired` permits
    /// have been acquired, each release reports that the worker is due for replacement.
    pub(crate) fn open_permits(&self, max: u32, due_acquired: u64, max_acquired: u64) {
        self.lock().permits.open(max, due_acquired, max_acquired);
    }

    /// Sets the waker that is woken when the number of given-up calls changes, when the worker is
    /// due for replacement, and, while `wants_releases` is `true`, when a call ends.
    pub(crate) fn set_permit_listener(&self, listener: Waker, wants_releases: Arc<AtomicBool>) {
        self.lock().permits.set_listener(listener, wants_releases);
    }

    /// Refuses all further permits.
    pub(crate) fn close_permits(&self) {
        self.lock().permits.close();
    }

    /// Takes a permit for a call. Returns `false` if none is available.
    pub(crate) fn acquire_permit(&self) -> bool {
        self.lock().acquire_permit()
    }

    /// Releases a permit that was not used. Wakes no listener, because the owner itself releases
    /// it.
    pub(crate) fn release_permit(&self) {
        let mut state = self.lock();
        state.permits.uncount();
        let _listener = state.permits.release();
        drop(state);
    }

    /// Takes all permits for a session. Returns `false` if the worker is not idle.
    pub(crate) fn check_out(&self) -> bool {
        self.lock().check_out()
    }

    /// Number of the last session, with which its calls take permits.
    pub(crate) fn session(&self) -> u64 {
        self.lock().permits.session()
    }

    /// Takes a permit for a call of a session. Returns `false` if the session or the worker has
    /// ended.
    pub(crate) fn acquire_in_session(&self, session: u64) -> bool {
        self.lock().acquire_in_session(session)
    }

    /// Ends the session. Its permits are free once its calls have ended. Wakes no listener, because
    /// the owner itself ends it. `is_unused`: no call was made, and the session does not count.
    pub(crate) fn end_session(&self, is_unused: bool) {
        self.lock().permits.end_session(is_unused);
    }

    pub(crate) fn permits(&self) -> PermitCounts {
        self.lock().permit_counts()
    }

    /// Number of calls that were given up and that the worker may still run.
    pub(crate) fn given_up(&self) -> usize {
        self.lock().connection.given_up()
    }

    /// Drops the writing half of the stream, so that its descriptor can close while the link still
    /// exists.
    pub(crate) fn close_stream(&self) {
        // The writer is dropped after the mutex is released.
        let _writer = self.change(|state| state.close_stream());
    }

    /// Returns `true` if requests were returned unsent, and their calls were not made again.
    pub(crate) fn has_unsent(&self) -> bool {
        self.lock().has_unsent()
    }

    /// Returns `true` if this is the only handle and no call holds a permit.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.lock().permits.taken() == 0
    }

    /// Changes the state, releases the mutex, and then wakes callers and task.
    fn change<T>(&self, change: impl FnOnce(&mut State<C::Framing>) -> T) -> T {
        let mut state = self.lock();
        let output = change(&mut state);
        let woken = state.take_woken();
        drop(state);
        wake_all(woken);
        output
    }

    /// Locks the state. Ignores poisoning: panics of user code are caught under the mutex, so the
    /// state is consistent.
    fn lock(&self) -> MutexGuard<'_, State<C::Framing>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every call in flight with the error that `error` creates from the name of its message.
    /// `availability` determines the outcome of later calls.
    pub(crate) fn fail(&self, availability: Availability, error: impl FnMut(&str) -> Error) {
        self.change(|state| state.fail(availability, error));
    }

    /// Ends every call in flight, takes back what was not offered to the stream, and sends a
    /// [`go_away`](Self::go_away). If the worker can be reached again, later calls fail with the
    /// advice to reconnect.
    pub(crate) fn close(&self, go_away: GoAway, error: impl FnMut(&str) -> Error) {
        self.change(|state| state.close(go_away, error));
    }

    /// Sends a go-away after everything that is queued. Then shuts down the writing half of the
    /// stream, unless the worker is to read on.
    pub(crate) fn go_away(&self, go_away: GoAway) {
        self.change(|state| state.go_away(go_away));
    }

    /// Writes everything that is queued. Returns `false` if the stream broke. Must be polled on the
    /// runtime of the connection task.
    pub(crate) async fn flush(&self) -> bool {
        poll_fn(|cx| self.change(|state| state.flush(cx))).await;
        self.lock().is_open()
    }

    /// Starts no further calls. `availability` determines their outcome. Calls in flight continue.
    ///
    /// Call it before the status of a worker changes, and change the status before calls in flight
    /// fail. Then a call made after the change is not in flight.
    pub(crate) fn stop_calls(&self, availability: Availability) {
        self.change(|state| state.stop_calls(availability));
    }

    /// Starts the graceful shutdown of a serving side. Sends a go-away and serves the requests that
    /// still arrive. If the peer may not support go-aways (`!knows_go_away`), sends none and
    /// refuses new requests.
    pub(crate) fn shut_down(&self, knows_go_away: bool) {
        self.change(|state| state.shut_down(knows_go_away));
    }

    /// Returns `true` if no caller waits for an answer. Oneway messages may still be queued, and
    /// the worker may still run calls that were given up.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Returns `true` if this side disconnected from the peer in order to reconnect later.
    pub(crate) fn is_disconnected(&self) -> bool {
        matches!(self.lock().availability(), Availability::Disconnected)
    }

    /// Continues over a new stream.
    pub(crate) fn reconnect(&self, terms: Terms, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let framing = self.0.codec.framing(terms.limits);
        // The old writer is dropped after the mutex is released.
        let _writer = self.change(|state| state.reconnect(framing, terms, Box::new(writer)));
    }
}

impl<C: Codec> Service for Link<C> {
    type Codec = C;
    // Panics of user code in a call are caught at the point where it runs.
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    fn body_limit(&self) -> BodyLimit {
        self.0.body_limit
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
