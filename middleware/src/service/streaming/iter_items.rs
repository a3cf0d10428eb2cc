use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use isolated_workers_core::BoxError;

use super::{IntoItems, TryItems, try_items};

/// Items that a caller without async code sends: any `IntoIterator<Item = T>`, or [`try_items`] of
/// an iterator of results.
///
/// The iterator is run by the thread that waits for the call, so it may block.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an iterator of `{T}`",
    label = "needs `IntoIterator<Item = {T}> + Send + 'static`",
    note = "for an iterator of results, pass `try_items(iterator)`: its first error ends the call"
)]
pub trait IterItems<T: 'static> {
    /// Converts to items that a call takes.
    #[doc(hidden)]
    fn into_items(self) -> impl IntoItems<T>;
}

impl<T: 'static, I> IterItems<T> for I
where
    I: IntoIterator<Item = T, IntoIter: Send + 'static>,
{
    fn into_items(self) -> impl IntoItems<T> {
        Iter(self.into_iter())
    }
}

impl<T, E, I> IterItems<T> for TryItems<I>
where
    T: 'static,
    E: Into<BoxError> + 'static,
    I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
{
    fn into_items(self) -> impl IntoItems<T> {
        try_items(Iter(self.0.into_iter()))
    }
}

/// Stream of an iterator.
struct Iter<I>(I);

// The iterator is never pinned.
impl<I> Unpin for Iter<I> {}

impl<I: Iterator> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
