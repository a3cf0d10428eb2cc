//! Innermost service of a pool: sends each call to a worker.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::fast_path::Route;
use super::queue_waiter::Admission;
use super::scoped::CallOptions;
use super::state::PoolShared;
use crate::connection::{Call, Suspect};

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

/// Waits until a queued call has ended. Returns its request if a worker ended before it was sent.
type WaitFuture<'a> = Pin<Box<dyn Future<Output = Result<Result<Response, Error>, Request>> + Send + 'a>>;

enum DispatchState<'a, C: Codec> {
    Calling(Call<Route<'a, C>>),
    /// Ask the scheduler for a worker.
    AskScheduler(Option<Request>),
    /// The call was queued.
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
                        missed => this.state = DispatchState::AskScheduler(missed),
                    }
                }
                DispatchState::AskScheduler(request) => {
                    let request = request.take().expect("the future was polled after completion");
                    this.ask_scheduler(request)?;
                }
                DispatchState::Waiting(waiting) => match ready!(waiting.as_mut().poll(cx)) {
                    Ok(result) => return Poll::Ready(result),
                    Err(unsent) => this.state = DispatchState::AskScheduler(Some(unsent)),
                },
            }
        }
    }
}

impl<C: Codec> DispatchFuture<'_, C> {
    #[cold]
    fn ask_scheduler(&mut self, mut request: Request) -> Result<(), Error> {
        let options = self.options.as_deref().copied().unwrap_or_default();
        if options.is_suspect && !self.shared.is_exclusive() {
            // Inserted again after the request was returned unsent, because that loses extensions.
            request.extensions_mut().insert(Suspect);
        }
        self.state = match self.shared.admit(request, options)? {
            Admission::Run(route, request) => DispatchState::Calling(Call::with_permit(route, request)),
            Admission::Wait(waiter) => DispatchState::Waiting(Box::pin(self.shared.wait(waiter))),
        };
        Ok(())
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
