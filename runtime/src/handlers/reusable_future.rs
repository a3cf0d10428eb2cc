//! One allocation, reused for many futures.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Memory in which futures of one type run, one after another. Each future is created in place,
/// because moving a large future copies all of it.
pub(super) trait ReusableFuture<T>: Future {
    /// Drops the previous future and creates the next one.
    fn start(self: Pin<&mut Self>, input: T);
}

/// Returns memory for the futures that `make` creates.
pub(super) fn reusable_future<T, F: Future>(
    make: impl Fn(T) -> F,
) -> impl ReusableFuture<T, Output = F::Output> {
    FutureSlot { make, future: None }
}

pin_project! {
    struct FutureSlot<M, F> {
        // A generic type instead of a function pointer, so that calls are inlined.
        make: M,
        #[pin]
        future: Option<F>,
    }
}

impl<T, M: Fn(T) -> F, F: Future> ReusableFuture<T> for FutureSlot<M, F> {
    fn start(self: Pin<&mut Self>, input: T) {
        let mut this = self.project();
        this.future.set(Some((this.make)(input)));
    }
}

impl<M, F: Future> Future for FutureSlot<M, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut future = self.project().future;
        let running = future.as_mut().as_pin_mut().expect("it was started and has not ended");
        let polled = running.poll(cx);
        if polled.is_ready() {
            future.set(None);
        }
        polled
    }
}
