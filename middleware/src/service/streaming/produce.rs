use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::Emitter;

/// Returns the stream of the items that an async function sends. It needs no task: the function
/// runs while the stream is polled. Its error ends the stream.
///
/// ```
/// use isolated_workers_middleware::streaming::produce;
/// # use futures_util::TryStreamExt;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let countdown = produce(async |mut out| {
///     for left in (0..3).rev() {
///         out.send(left).await.map_err(|closed| closed.to_string())?;
///     }
///     Ok::<(), String>(())
/// });
/// assert_eq!(countdown.try_collect::<Vec<u32>>().await, Ok(vec![2, 1, 0]));
/// # });
/// ```
pub fn produce<T, E, F, Fut>(run: F) -> Produced<T, E, Fut>
where
    F: FnOnce(Emitter<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let slot = Emitter::new();
    let future = Some(run(slot.share()));
    Produced { slot: Closing(slot), future, error: None }
}

pin_project! {
    /// Stream of [`produce`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless they are polled"]
    pub struct Produced<T, E, F> {
        slot: Closing<T>,
        // `None` after it has ended.
        #[pin]
        future: Option<F>,
        // Error of the future, which follows the last item.
        error: Option<E>,
    }
}

/// Closes the slot when the stream is dropped.
#[derive(Debug)]
struct Closing<T>(Emitter<T>);

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T, E, F: Future<Output = Result<(), E>>> Stream for Produced<T, E, F> {
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let slot = &this.slot.0;
        loop {
            if let Some(item) = slot.take(cx) {
                return Poll::Ready(Some(Ok(item)));
            }
            let Some(future) = this.future.as_mut().as_pin_mut() else {
                slot.close();
                return Poll::Ready(this.error.take().map(Err));
            };
            match future.poll(cx) {
                Poll::Ready(result) => {
                    this.future.set(None);
                    *this.error = result.err();
                }
                // The emitter may be with another task.
                Poll::Pending => {
                    if let Some(item) = slot.take(cx) {
                        return Poll::Ready(Some(Ok(item)));
                    }
                    if slot.wait(cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
