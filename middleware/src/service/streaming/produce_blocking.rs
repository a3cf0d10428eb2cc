use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::StreamClosed;
use crate::service::blocking::{BlockingTask, EndedWork, ShutDown};

/// Number of items that wait between a blocking producer and its stream.
const CAPACITY: usize = 16;

/// Returns the stream of the items that `run` sends. It runs on tokio's blocking thread pool, and
/// so may block or compute for a long time. The stream ends when `run` returns, with its error if
/// it returns one.
///
/// `run` keeps its thread while it waits for the connection. A runtime has 512 of them by default,
/// which `blocking` methods use, too. Use [`produce`](super::produce) for more streams at once.
///
/// If the stream is dropped, the next [`send`](BlockingEmitter::send) fails. A worker answers a
/// cancelled call when `run` has returned.
///
/// # Panics
/// Panics if called outside of a tokio runtime, or if the system refuses a thread. The stream
/// panics if `run` panics.
pub fn produce_blocking<T, E, F>(run: F) -> ProducedBlocking<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(BlockingEmitter<T>) -> Result<(), E> + Send + 'static,
{
    let (sender, items) = channel(CAPACITY);
    match BlockingTask::spawn(|| run(BlockingEmitter(sender))) {
        Ok(task) => ProducedBlocking { items, task: Some(task), ended: None },
        Err(refused) => panic!("there is no thread for the producer of a stream: {}", refused.cause),
    }
}

/// Sends items to the stream of [`produce_blocking`].
pub struct BlockingEmitter<T>(Sender<T>);

impl<T> BlockingEmitter<T> {
    /// Sends an item. Blocks while 16 items wait for the connection.
    ///
    /// # Errors
    /// The caller takes no more items.
    ///
    /// # Panics
    /// Panics in an async function.
    pub fn send(&self, item: T) -> Result<(), StreamClosed> {
        self.0.blocking_send(item).map_err(|_| StreamClosed)
    }
}

impl<T> fmt::Debug for BlockingEmitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingEmitter").finish_non_exhaustive()
    }
}

/// Stream of [`produce_blocking`].
#[must_use = "streams do nothing unless they are polled"]
pub struct ProducedBlocking<T, E: Send + 'static> {
    // Dropped before the task, so that the next `send` fails.
    items: Receiver<T>,
    /// `None` after it has ended.
    task: Option<BlockingTask<Result<(), E>>>,
    /// Outcome of the task, which follows the last item.
    ended: Option<EndedWork<Result<(), E>>>,
}

impl<T, E: Send + 'static> Unpin for ProducedBlocking<T, E> {}

impl<T, E: Send + 'static> Stream for ProducedBlocking<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let received = this.items.poll_recv(cx);
            if let Poll::Ready(Some(item)) = received {
                return Poll::Ready(Some(Ok(item)));
            }
            if let Some(task) = &mut this.task {
                this.ended = Some(ready!(task.poll_ended(cx)));
                this.task = None;
                // The emitter may be with another thread. Items that were sent before still follow.
                this.items.close();
                continue;
            }
            ready!(received);
            return match this.ended.take().map(EndedWork::into_result) {
                None => Poll::Ready(None),
                Some(Ok(result)) => Poll::Ready(result.err().map(Err)),
                Some(Err(ShutDown)) => panic!("the runtime is shutting down"),
            };
        }
    }
}

impl<T, E: Send + 'static> fmt::Debug for ProducedBlocking<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducedBlocking").field("has_ended", &self.task.is_none()).finish()
    }
}
