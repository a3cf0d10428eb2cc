//! Innermost service of a pool: sends each call to a worker.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::call_options::CallOptions;
use super::fast_path::Route;
use super::queue_waiter::{Admission, Attempt};
use super::session::PoolSession;
use super::state::PoolShared;
use crate::connection::{Call, Unsent};

/// Service that sends each call to a worker of a pool, below all middleware.
///
/// A call without options takes the fast path: it acquires a permit of the worker with the most
/// free permits. If that fails, or if the call has options, it asks the scheduler, and may wait in
/// the queue.
pub struct Dispatch<C: Codec>(pub(super) Arc<PoolShared<C>>);

impl<C: Codec> Service for Dispatch<C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    fn body_limit(&self) -> BodyLimit {
        self.0.body_limit
    }

    #[inline]
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let shared = &*self.0;
        match request.extensions().get::<CallOptions>() {
            None => {
                let state = DispatchState::Calling(Call::new(Route::any(shared), request));
                DispatchFuture { shared, options: None, state }
            }
            Some(options) if options.in_session => {
                let session = request.extensions().get::<Arc<PoolSession<C>>>().map(Arc::clone);
                let session = session.expect("a call in a session has one");
                let call = Box::pin(async move { session.call(request).await });
                DispatchFuture { shared, options: None, state: DispatchState::Waiting(call) }
            }
            Some(options) => {
                let options = Some(Box::new(*options));
                DispatchFuture { shared, options, state: DispatchState::AskScheduler(Some(request)) }
            }
        }
    }
}

/// A call in progress.
///
/// Written by hand, because the future of an `async fn` is twice as large and is moved as often.
struct DispatchFuture<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    /// Boxed, because most calls have none.
    options: Option<Box<CallOptions>>,
    state: DispatchState<'a, C>,
}

/// Waits until a queued call, or a call of a session, has ended.
type WaitFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

enum DispatchState<'a, C: Codec> {
    Calling(Call<Route<'a, C>>),
    /// Ask the scheduler for a worker.
    AskScheduler(Option<Request>),
    /// The call was queued, or belongs to a session.
    Waiting(WaitFuture<'a>),
}

impl<C: Codec> Future for DispatchFuture<'_, C> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                DispatchState::Calling(call) => {
                    let result = ready!(Pin::new(&mut *call).poll(cx));
                    match call.take_unsent() {
                        None => return Poll::Ready(result),
                        Some(Unsent { request, had_permit }) => {
                            let attempt = if had_permit { Attempt::Again(None) } else { Attempt::First };
                            this.ask_scheduler(request, attempt)?;
                        }
                    }
                }
                DispatchState::AskScheduler(request) => {
                    let request = request.take().expect("the future was polled after completion");
                    this.ask_scheduler(request, Attempt::First)?;
                }
                DispatchState::Waiting(waiting) => return waiting.as_mut().poll(cx),
            }
        }
    }
}

impl<C: Codec> DispatchFuture<'_, C> {
    #[cold]
    fn ask_scheduler(&mut self, request: Request, attempt: Attempt) -> Result<(), Error> {
        let options = self.options.as_deref().copied().unwrap_or_default();
        // The previous call is dropped after it was admitted again.
        self.state = match self.shared.admit(request, options, attempt)? {
            Admission::Run(route, request) => DispatchState::Calling(Call::with_permit(route, request)),
            Admission::Wait(waiter) => DispatchState::Waiting(Box::pin(self.shared.wait(waiter, options))),
        };
        Ok(())
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
