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
use crate::connection::Call;

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

enum DispatchState<'a, C: Codec> {
    Calling(Call<Route<'a, C>>),
    /// Ask the scheduler for a worker.
    AskScheduler(Option<Request>),
    /// On the slow path: wait for a worker, then call it.
    Waiting(Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>),
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
                DispatchState::Waiting(waiting) => return waiting.as_mut().poll(cx),
            }
        }
    }
}

impl<C: Codec> DispatchFuture<'_, C> {
    #[cold]
    fn ask_scheduler(&mut self, request: Request) -> Result<(), Error> {
        let options = self.options.as_deref().copied().unwrap_or_default();
        self.state = match self.shared.admit(request.name(), options)? {
            Admission::Run(route) if !options.is_suspect => {
                DispatchState::Calling(Call::with_permit(route, request))
            }
            admission => {
                DispatchState::Waiting(Box::pin(call_slowly(self.shared, request, options, admission)))
            }
        };
        Ok(())
    }
}

/// Makes a call that may have to wait for a worker. Asks the scheduler again if the worker ended
/// before the call was sent.
async fn call_slowly<C: Codec>(
    shared: &PoolShared<C>,
    mut request: Request,
    options: CallOptions,
    mut admission: Admission<'_, C>,
) -> Result<Response, Error> {
    loop {
        let route = match admission {
            Admission::Run(route) => route,
            Admission::Wait(waiter) => shared.wait(request.name(), waiter).await?,
        };
        let link = route.chosen();
        let mut call = Call::with_permit(route, request);
        // At most one suspect call runs in a worker at a time, so that the next crash has only one
        // suspect.
        let _suspect_permit = if options.is_suspect && !shared.is_exclusive() {
            Some(link.suspect_permit().await)
        } else {
            None
        };
        let result = (&mut call).await;
        match call.take_unsent() {
            Some(missed) => request = missed,
            None => return result,
        }
        admission = shared.admit(request.name(), options)?;
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
