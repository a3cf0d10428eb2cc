//! A live connection: the state machine of the core, a stream, and those who wait for it.
//!
//! One task ([`Pump`]) does the reading and, as a rule, the writing. A caller puts its request into the shared state
//! under a short lock and wakes the task; where nothing else is in flight it writes at once itself, because nothing
//! could be gained by waiting for company.

mod call;
mod outgoing;
mod pump;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Limits, Request, Response, TxIdGenerator};
use isolated_workers_middleware::Service;
use tokio::io::AsyncWrite;

use self::call::Call;
pub(crate) use self::pump::{Answer, End, Inbound, Nobody, Pump};
use self::state::State;

/// The service at the other end of a connection, without any middleware around it.
pub struct Link<C: Codec>(Arc<Shared<C>>);

struct Shared<C: Codec> {
    codec: C,
    ids: Box<dyn TxIdGenerator>,
    /// For calls that do not say; zero is none.
    timeout: Duration,
    state: Mutex<State<C::Framing>>,
}

impl<C: Codec> Link<C> {
    pub(crate) fn new(
        codec: C,
        limits: Limits,
        ids: Box<dyn TxIdGenerator>,
        timeout: Duration,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let state = State::new(codec.framing(limits), Box::new(writer));
        Self(Arc::new(Shared { codec, ids, timeout, state: Mutex::new(state) }))
    }

    /// No code of others runs under this lock, so that a panic cannot poison it.
    fn lock(&self) -> MutexGuard<'_, State<C::Framing>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every call in flight with what `error` makes of the name of its message, and refuses further ones.
    pub(crate) fn fail(&self, error: impl FnMut(&str) -> Error) {
        let wakers = self.lock().fail(error);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Fails what is in flight, says goodbye, and ends the stream in this direction. With `stay`, the other side is to
    /// wait for so long until it is reached again, and calls are refused with a word about that.
    pub(crate) fn close(&self, stay: Option<Duration>, error: impl FnMut(&str) -> Error) {
        let wakers = self.lock().close(stay, error);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Whether the other side has been left, to be reached again.
    pub(crate) fn is_away(&self) -> bool {
        self.lock().is_away()
    }

    /// Goes on over a new stream.
    pub(crate) fn renew(&self, limits: Limits, writer: impl AsyncWrite + Send + Unpin + 'static) {
        self.lock().renew(self.0.codec.framing(limits), Box::new(writer));
    }
}

impl<C: Codec> Service for Link<C> {
    type Codec = C;

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
        f.debug_struct("Link").field("codec", &C::NAME).finish_non_exhaustive()
    }
}
