use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use futures_util::{FutureExt, StreamExt};

type Boxed<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// The results of one call, or whatever else `f` does with the pool, for each of many items: [`Pool::map`](super::Pool::map).
///
/// A [`Stream`], and [`next`](Self::next) for those who have no use for the others of its methods. Items are taken only as
/// results are, so that it holds no more than [`at_once`](Self::at_once) of them, however many there are; nothing runs
/// while nobody asks for results. Dropping it gives up the calls that are running.
#[must_use = "nothing is called until results are asked for"]
pub struct Map<'a, R> {
    /// What is still to begin.
    items: Pin<Box<dyn Stream<Item = Boxed<'a, R>> + Send + 'a>>,
    is_exhausted: bool,
    running: FuturesUnordered<Boxed<'a, (u64, R)>>,
    /// Those that came before one with a lower number.
    early: BTreeMap<u64, R>,
    at_once: usize,
    is_ordered: bool,
    progress: MapProgress,
}

/// How far a [`Map`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapProgress {
    /// How many items were taken.
    pub begun: u64,
    /// How many of them have a result.
    pub done: u64,
    /// How many of these results were handed out.
    pub returned: u64,
}

impl<'a, R: 'a> Map<'a, R> {
    pub(super) fn new(items: impl Stream<Item = Boxed<'a, R>> + Send + 'a, at_once: usize) -> Self {
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

    /// Hands out results as they come. Without it, they are in the order of the items.
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }

    /// Sets how many items are taken whose results were not handed out; 1 at least. Default: twice as many as the pool
    /// has room for in all its workers, so that none of them waits for the next call.
    pub fn at_once(mut self, items: usize) -> Self {
        self.at_once = items.max(1);
        self
    }

    /// How far it has come.
    pub fn progress(&self) -> MapProgress {
        self.progress
    }

    /// The next result; `None` when all were handed out. Cancel-safe.
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

// No result is pinned: futures are, in boxes of their own.
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
