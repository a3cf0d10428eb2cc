use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use isolated_workers_core::{Error, ErrorKind};

/// Sends items to the stream of [`produce`](super::produce).
pub struct Emitter<T>(Arc<Mutex<Slot<T>>>);

/// Place of the next item, between its producer and the stream.
pub(super) struct Slot<T> {
    item: Option<T>,
    /// Waker of the producer, which waits until the item is taken.
    producer: Option<Waker>,
    /// Waker of the stream, which waits for an item.
    consumer: Option<Waker>,
    is_closed: bool,
}

/// The caller no longer takes items: it has dropped its stream, or its call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamClosed;

impl fmt::Display for StreamClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the caller takes no more items")
    }
}

impl StdError for StreamClosed {}

impl From<StreamClosed> for Error {
    fn from(closed: StreamClosed) -> Self {
        Self::with_source(ErrorKind::Cancelled, "could not send an item", closed)
    }
}

impl<T> Emitter<T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Slot { item: None, producer: None, consumer: None, is_closed: false })))
    }

    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an item, and waits until the stream's reader has taken it. The connection sends it
    /// later, with the items that follow at once, so a crash may lose it. If the future is dropped,
    /// the item was sent or not; it is never sent in part.
    ///
    /// # Errors
    /// The caller takes no more items. Within the future of [`produce`](super::produce) that cannot
    /// happen, because the future is dropped.
    pub async fn send(&mut self, item: T) -> Result<(), StreamClosed> {
        let mut item = Some(item);
        poll_fn(|cx| {
            let slot = ready!(self.poll_empty(cx))?;
            match item.take() {
                // The slot is empty again: the item was taken.
                None => Poll::Ready(Ok(())),
                Some(item) => {
                    put(slot, item, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until the slot is empty.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<Result<MutexGuard<'_, Slot<T>>, StreamClosed>> {
        let mut slot = self.lock();
        if slot.is_closed {
            return Poll::Ready(Err(StreamClosed));
        }
        if slot.item.is_none() {
            return Poll::Ready(Ok(slot));
        }
        let replaced = slot.producer.replace(cx.waker().clone());
        drop(slot);
        drop(replaced);
        Poll::Pending
    }

    /// Takes the item in the slot, for the stream that is polled with `cx`.
    pub(super) fn take(&self, cx: &Context<'_>) -> Option<T> {
        let mut slot = self.lock();
        let item = slot.item.take()?;
        let producer = slot.producer.take();
        drop(slot);
        // A producer that runs with the stream is polled with it anyway.
        if let Some(producer) = producer.filter(|producer| !producer.will_wake(cx.waker())) {
            producer.wake();
        }
        Some(item)
    }

    /// Sets the waker of the stream. Returns `false` if an item has come meanwhile.
    pub(super) fn wait(&self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut slot = self.lock();
        let replaced = slot.consumer.replace(waker);
        let is_empty = slot.item.is_none();
        drop(slot);
        drop(replaced);
        is_empty
    }

    /// Refuses further items.
    pub(super) fn close(&self) {
        let mut slot = self.lock();
        slot.is_closed = true;
        let (item, producer) = (slot.item.take(), slot.producer.take());
        drop(slot);
        drop(item);
        if let Some(producer) = producer {
            producer.wake();
        }
    }
}

/// Puts an item in an empty slot, and wakes the stream. The producer is woken when the item is
/// taken.
pub(super) fn put<T>(mut slot: MutexGuard<'_, Slot<T>>, item: T, cx: &Context<'_>) {
    slot.item = Some(item);
    let (waker, replaced) = (slot.consumer.take(), slot.producer.replace(cx.waker().clone()));
    drop(slot);
    drop(replaced);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> fmt::Debug for Emitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}
