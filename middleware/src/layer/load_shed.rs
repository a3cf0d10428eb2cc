use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_core::{Error, ErrorKind, Request, Response};

use crate::{Middleware, Service};

/// Refuses calls immediately while too many are in flight or waiting below it.
///
/// The error is of the kind `Overloaded`. Callers get a fast answer, and queues stay short.
///
/// ```
/// use isolated_workers_middleware::LoadShed;
///
/// let busy = LoadShed::new(100);
/// ```
#[derive(Debug)]
pub struct LoadShed {
    limit: usize,
    in_flight: Arc<AtomicUsize>,
}

impl LoadShed {
    /// Allows at most `limit` calls in flight. 0 refuses all calls, which takes a worker out of
    /// service.
    pub fn new(limit: usize) -> Self {
        Self { limit, in_flight: Arc::default() }
    }
}

impl Middleware for LoadShed {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let call = InFlightCall::take(&self.in_flight);
        if call.others >= self.limit {
            let (name, limit) = (request.name(), self.limit);
            let cause = format!("the in-flight limit of {limit} was reached");
            let text = format!("`{name}` was refused: {cause}; call again later");
            return Err(Error::new(ErrorKind::Overloaded, text));
        }
        let mut response = next.call(request).await?;
        if response.has_items() {
            std::mem::forget(call);
            response.hold(StreamInFlight(Arc::clone(&self.in_flight)));
        }
        Ok(response)
    }
}

/// Call that is in flight until its stream ends.
struct StreamInFlight(Arc<AtomicUsize>);

impl Drop for StreamInFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Call that counts as in flight until it is dropped.
struct InFlightCall<'a> {
    in_flight: &'a AtomicUsize,
    /// Number of calls that were in flight before this one.
    others: usize,
}

impl<'a> InFlightCall<'a> {
    fn take(in_flight: &'a AtomicUsize) -> Self {
        Self { in_flight, others: in_flight.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for InFlightCall<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
