use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Memory that one future after another of the same type runs in. Each is made where it runs: it may be large, and a
/// future that is moved is copied as a whole.
pub(super) trait Place<T>: Future {
    /// Makes the next future. What is left of the one before is dropped.
    fn start(self: Pin<&mut Self>, input: T);
}

/// A place for the futures that `make` makes.
pub(super) fn place<T, F: Future>(make: impl Fn(T) -> F) -> impl Place<T, Output = F::Output> {
    Room { make, future: None }
}

pin_project! {
    struct Room<M, F> {
        // A type of its own, not a pointer, so that it is part of `start`.
        make: M,
        #[pin]
        future: Option<F>,
    }
}

impl<T, M: Fn(T) -> F, F: Future> Place<T> for Room<M, F> {
    fn start(self: Pin<&mut Self>, input: T) {
        let mut this = self.project();
        this.future.set(Some((this.make)(input)));
    }
}

impl<M, F: Future> Future for Room<M, F> {
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
