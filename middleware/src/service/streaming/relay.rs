use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

/// Returns the stream that a function makes and passes on with [`forward`] or [`forward_ok`]. The
/// stream inside may borrow from the function. The handlers of `#[service]` return their streams in
/// this way.
///
/// [`produce`](super::produce) is for functions that make the items themselves. It takes more
/// instructions for an item.
///
/// ```
/// use futures_util::{StreamExt, TryStreamExt, stream};
/// use isolated_workers_middleware::streaming::{forward_ok, relay};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let words = relay(async |out| {
///     let text = String::from("an owned text");
///     forward_ok::<_, String>(stream::iter(text.split(' ')).map(str::len), out).await
/// });
/// assert_eq!(words.try_collect::<Vec<usize>>().await, Ok(vec![2, 5, 4]));
/// # });
/// ```
pub fn relay<T, E, F, Fut>(run: F) -> Relayed<T, Fut>
where
    F: FnOnce(RelaySlot<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let slot = RelaySlot(Arc::new(Mutex::new(None)));
    let future = Some(run(RelaySlot(Arc::clone(&slot.0))));
    Relayed { slot, future }
}

/// Place of an item, between the future of [`relay`] and its stream.
#[derive(Debug)]
pub struct RelaySlot<T>(Arc<Mutex<Option<T>>>);

impl<T> RelaySlot<T> {
    fn replace(&self, item: Option<T>) -> Option<T> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), item)
    }
}

pin_project! {
    /// Stream of [`relay`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless they are polled"]
    pub struct Relayed<T, F> {
        slot: RelaySlot<T>,
        // `None` after it has ended.
        #[pin]
        future: Option<F>,
    }
}

impl<T, E, F: Future<Output = Result<(), E>>> Stream for Relayed<T, F> {
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        match future.poll(cx) {
            Poll::Ready(end) => {
                this.future.set(None);
                Poll::Ready(end.err().map(Err))
            }
            Poll::Pending => match this.slot.replace(None) {
                Some(item) => Poll::Ready(Some(Ok(item))),
                None => Poll::Pending,
            },
        }
    }
}

/// Passes on all items of a stream that cannot fail.
///
/// # Errors
/// None. The type is that of [`relay`].
pub async fn forward_ok<T, E>(items: impl Stream<Item = T>, out: RelaySlot<T>) -> Result<(), E> {
    let mut items = pin!(items);
    poll_fn(|cx| match ready!(items.as_mut().poll_next(cx)) {
        Some(item) => put(&out, item),
        None => Poll::Ready(Ok(())),
    })
    .await
}

/// Passes on all items of a stream. The first error ends it.
///
/// # Errors
/// The error of the stream.
pub async fn forward<T, E>(items: impl Stream<Item = Result<T, E>>, out: RelaySlot<T>) -> Result<(), E> {
    let mut items = pin!(items);
    poll_fn(|cx| match ready!(items.as_mut().poll_next(cx)) {
        Some(Ok(item)) => put(&out, item),
        Some(Err(error)) => Poll::Ready(Err(error)),
        None => Poll::Ready(Ok(())),
    })
    .await
}

/// Puts an item in the slot. The stream takes it, and polls again for the next one without a wake.
fn put<T, R>(out: &RelaySlot<T>, item: T) -> Poll<R> {
    out.replace(Some(item));
    Poll::Pending
}
