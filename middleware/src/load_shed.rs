use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_core::{Error, ErrorKind, Request, Response};

use crate::{Middleware, Service};

/// Refuses calls at once while so many are under way or wait below it, with an error of the kind `Overloaded`: a short
/// answer now is worth more than a late one, and queues stay short.
///
/// ```
/// use isolated_workers_middleware::LoadShed;
///
/// let busy = LoadShed::new(100);
/// ```
#[derive(Debug)]
pub struct LoadShed {
    limit: usize,
    under_way: AtomicUsize,
}

impl LoadShed {
    /// Lets at most `limit` calls be under way. 0 refuses all: a way to take a worker out of service.
    pub const fn new(limit: usize) -> Self {
        Self { limit, under_way: AtomicUsize::new(0) }
    }
}

impl Middleware for LoadShed {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let place = Place::take(&self.under_way);
        if place.number >= self.limit {
            let (name, limit) = (request.name(), self.limit);
            let why = format!("no more than {limit} may be under way at once");
            let text = format!("`{name}` was refused: {why}; call again later");
            return Err(Error::new(ErrorKind::Overloaded, text));
        }
        next.call(request).await
    }
}

/// A place among the calls under way, until it is dropped.
struct Place<'a> {
    under_way: &'a AtomicUsize,
    /// How many were there before.
    number: usize,
}

impl<'a> Place<'a> {
    fn take(under_way: &'a AtomicUsize) -> Self {
        Self { under_way, number: under_way.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
