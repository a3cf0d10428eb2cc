//! A call for each of many items, with bounded concurrency.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use futures_util::{FutureExt, StreamExt};

type BoxedCall<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// Results of [`Pool::map`](super::Pool::map): one for each item.
///
/// It is a [`Stream`], and has [`next`](Self::next) for use without stream adapters. It holds at
/// most [`at_once`](Self::at_once) items, and takes further items as results are returned. Calls
/// that have begun continue while the stream is not polled, and delay no other call of the pool.
/// Dropping the stream cancels them.
#[must_use = "no calls are made until results are polled"]
pub struct Map<'a, R> {
    /// Calls that have not begun.
    items: Pin<Box<dyn Stream<Item = BoxedCall<'a, R>> + Send + 'a>>,
    is_exhausted: bool,
    running: FuturesUnordered<BoxedCall<'a, (u64, R)>>,
    /// Results that wait for an earlier item's result.
    early: BTreeMap<u64, R>,
    at_once: usize,
    is_ordered: bool,
    progress: MapProgress,
}

/// Progress of a [`Map`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapProgress {
    /// Number of items taken.
    pub begun: u64,
    /// Number of items with a result.
    pub done: u64,
    /// Number of results returned.
    pub returned: u64,
}

impl<'a, R: 'a> Map<'a, R> {
    pub(super) fn new(items: impl Stream<Item = BoxedCall<'a, R>> + Send + 'a, at_once: usize) -> Self {
        Self {
            items: Box::pin(items),
            is_exhausted: false,
            running: FuturesUnordered::new(),
            early: BTreeMap::new(),
            at_once,
            is_ordered: true,
            progress: MapProgress::default(),
        }
    }

    /// Returns results in the order in which they complete. Default: in the order of the items.
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }

    /// Sets the maximum number of items taken whose results have not been returned yet, at least 1.
    /// Default: twice the number of calls that all workers can run at once, so that no worker
    /// waits.
    pub fn at_once(mut self, items: usize) -> Self {
        self.at_once = items.max(1);
        self
    }

    /// Returns the progress.
    pub fn progress(&self) -> MapProgress {
        self.progress
    }

    /// Returns the next result, or `None` after the last one. Cancel-safe.
    pub async fn next(&mut self) -> Option<R> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<R>> {
        loop {
            while !self.is_exhausted && self.running.len() + self.early.len() < self.at_once {
                match self.items.as_mut().poll_next(cx) {
                    Poll::Ready(Some(call)) => {
                        let number = self.progress.begun;
                        self.progress.begun += 1;
                        self.running.push(Box::pin(call.map(move |result| (number, result))));
                    }
                    Poll::Ready(None) => self.is_exhausted = true,
                    Poll::Pending => break,
                }
            }
            if let Some(result) = self.early.remove(&self.progress.returned) {
                self.progress.returned += 1;
                return Poll::Ready(Some(result));
            }
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some((number, result))) => {
                    self.progress.done += 1;
                    if !self.is_ordered {
                        self.progress.returned += 1;
                        return Poll::Ready(Some(result));
                    }
                    self.early.insert(number, result);
                }
                Poll::Ready(None) if self.is_exhausted => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

// Only the boxed futures are pinned, never a result.
impl<R> Unpin for Map<'_, R> {}

impl<'a, R: 'a> Stream for Map<'a, R> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.poll(cx)
    }
}

impl<R> fmt::Debug for Map<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("progress", &self.progress).finish_non_exhaustive()
    }
}
