//! Future around each part of a stack. It turns a panic into an error and attributes errors to
//! their origin.
//!
//! All parts share one type and no combinators are used, because layers nest: with one more type
//! per layer, a stack of eight would be too deep for the compiler.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use isolated_workers_core::{Error, Response};
use pin_project_lite::pin_project;

use super::panic_location;

/// Converts panics and errors of a guarded call.
pub(crate) trait Guard {
    /// `true` if panics are caught.
    const CATCHES: bool = true;

    /// Converts a panic into an error. `what` begins with "panicked".
    ///
    /// State that the code left half changed stays as it is, as after a panic in a thread.
    fn panicked(&self, what: &str) -> Error;

    /// Converts an error, including one made from a panic.
    fn failed(&self, error: Error) -> Error;

    /// Guards the items of a response.
    fn guard_items(&self, response: Response) -> Response {
        response
    }
}

pin_project! {
    /// Call with a guard. The guard costs nothing unless the call fails.
    pub(crate) struct Guarded<F, G> {
        #[pin]
        call: F,
        guard: G,
    }
}

impl<F, G: Guard> Guarded<F, G> {
    /// Guards `call`.
    ///
    /// The future is passed as it is created, so that it is built in place. The future of a stack
    /// is large: copying it at each layer would make the cost of a stack grow with the square of
    /// its height.
    #[inline]
    pub(crate) fn new(guard: G, call: F) -> Self {
        Self { call, guard }
    }
}

impl<F: Future<Output = Result<Response, Error>>, G: Guard> Future for Guarded<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !G::CATCHES {
            return this.call.poll(cx).map_err(|error| this.guard.failed(error));
        }
        match catch_unwind(AssertUnwindSafe(|| this.call.poll(cx))) {
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Ok(this.guard.guard_items(response))),
            Ok(polled) => polled.map_err(|error| this.guard.failed(error)),
            Err(panic) => Poll::Ready(Err(this.guard.failed(this.guard.panicked(&describe_panic(&*panic))))),
        }
    }
}

pub(super) fn describe_panic(panic: &(dyn Any + Send)) -> String {
    let location = panic_location::take().map_or(String::new(), |location| format!(" at {location}"));
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a string");
    format!("panicked{location}: {text}")
}
