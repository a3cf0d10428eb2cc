use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// Boxed stream that ends after its first error, for the public types of streams. It yields `None`
/// forever after its end, and has dropped the stream inside by then.
pub struct ResultStream<'a, T, E>(Option<BoxStream<'a, Result<T, E>>>);

impl<'a, T, E> ResultStream<'a, T, E> {
    /// Boxes a stream.
    pub fn new(items: impl Stream<Item = Result<T, E>> + Send + 'a) -> Self {
        Self(Some(Box::pin(items)))
    }

    /// Creates a stream that has ended.
    pub const fn ended() -> Self {
        Self(None)
    }
}

impl<T, E> Stream for ResultStream<'_, T, E> {
    type Item = Result<T, E>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(items) = &mut self.0 else { return Poll::Ready(None) };
        let next = items.as_mut().poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        next
    }
}

impl<T, E> FusedStream for ResultStream<'_, T, E> {
    fn is_terminated(&self) -> bool {
        self.0.is_none()
    }
}

impl<T, E> fmt::Debug for ResultStream<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultStream").field("has_ended", &self.is_terminated()).finish()
    }
}
