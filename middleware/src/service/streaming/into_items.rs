use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use isolated_workers_core::{BoxError, Error, ErrorKind};
use pin_project_lite::pin_project;

/// Items that a caller sends: any `Stream<Item = T>`, or [`try_items`] of a stream of results.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stream of `{T}`",
    label = "needs `Stream<Item = {T}> + Send + 'static`",
    note = "for a stream of results, pass `try_items(stream)`: its first error ends the call"
)]
pub trait IntoItems<T: 'static>: Send + 'static {
    /// Converts to a stream of results. `name`: name of the message.
    #[doc(hidden)]
    fn into_items(self, name: &'static str) -> impl Stream<Item = Result<T, Error>> + Send + 'static;
}

impl<T: 'static, S: Stream<Item = T> + Send + 'static> IntoItems<T> for S {
    fn into_items(self, _: &'static str) -> impl Stream<Item = Result<T, Error>> + Send + 'static {
        MappedStream { items: self, map: Ok }
    }
}

/// Sends the items of a stream, or of an iterator for a blocking client, that can fail, such as the
/// bytes of a file. Its first error ends the call.
///
/// The caller gets an error of the kind [`Cancelled`](ErrorKind::Cancelled), with the error of the
/// stream as its source. The callee gets an error as its last item, and not the end of the items.
///
/// ```
/// use futures_util::{Stream, stream};
/// use isolated_workers_middleware::streaming::{IntoItems, try_items};
///
/// fn lines(file: std::fs::File) -> impl IntoItems<String> {
///     use std::io::BufRead;
///     try_items(stream::iter(std::io::BufReader::new(file).lines()))
/// }
/// ```
pub fn try_items<S>(items: S) -> TryItems<S> {
    TryItems(items)
}

/// Items that can fail, made by [`try_items`].
#[derive(Debug)]
#[must_use = "pass it to the method of a client"]
pub struct TryItems<S>(pub(super) S);

impl<T, E, S> IntoItems<T> for TryItems<S>
where
    T: 'static,
    E: Into<BoxError> + 'static,
    S: Stream<Item = Result<T, E>> + Send + 'static,
{
    fn into_items(self, name: &'static str) -> impl Stream<Item = Result<T, Error>> + Send + 'static {
        MappedStream {
            items: self.0,
            map: move |item: Result<T, E>| item.map_err(|cause| failed(name, cause)),
        }
    }
}

pin_project! {
    struct MappedStream<S, F> {
        #[pin]
        items: S,
        map: F,
    }
}

impl<S: Stream, T, F: FnMut(S::Item) -> T> Stream for MappedStream<S, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        this.items.poll_next(cx).map(|item| item.map(this.map))
    }
}

#[cold]
fn failed(name: &str, cause: impl Into<BoxError>) -> Error {
    let text =
        format!("could not finish `{name}`: the stream of its items failed; call again with new items");
    Error::with_source(ErrorKind::Cancelled, text, cause)
}
