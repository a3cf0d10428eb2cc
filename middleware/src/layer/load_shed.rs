use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_core::{Error, ErrorKind, Request, Response};

use crate::{Middleware, Service};

/// Refuses calls at once while so many are under way or wait below it, with an error of the kind
/// `Overloaded`: a short answer now is worth more than a late one, and queues stay short.
///
/// ```
/// use isolated_workers_middleware::LoadShed;
///
/// let busy = LoadShed::new(100);
/// ```
#[derive(Debug)]
pub struct LoadShed {
    limit: usize,
    in_flight: AtomicUsize,
}

impl LoadShed {
    /// Lets at most `limit` calls be under way. 0 refuses all: a way to take a worker out of
    /// service.
    pub const fn new(limit: usize) -> Self {
        Self { limit, in_flight: AtomicUsize::new(0) }
    }
}

impl Middleware for LoadShed {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let call = InFlightCall::take(&self.in_flight);
        if call.others >= self.limit {
            let (name, limit) = (request.name(), self.limit);
            let why = format!("no more than {limit} may be under way at once");
            let text = format!("`{name}` was refused: {why}; call again later");
            return Err(Error::new(ErrorKind::Overloaded, text));
        }
        next.call(request).await
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
