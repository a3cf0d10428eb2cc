use isolated_workers_core::Error;

use super::background;
use crate::MapProgress;

/// Results of [`Pool::map`](super::Pool::map): one for each item. An iterator, which waits for each
/// result.
///
/// It holds at most [`at_once`](Self::at_once) items, and takes further items as results are
/// returned. Calls that have begun continue between two `next`. Dropping the iterator cancels them.
///
/// # Panics
/// `next` panics in a handler of a callback that is an `async fn`, which must not wait.
#[derive(Debug)]
#[must_use = "no calls are made until results are taken"]
pub struct Map<'a, R>(pub(super) crate::Map<'a, R>);

impl<'a, R: 'a> Map<'a, R> {
    /// Returns results in the order in which they complete. Default: in the order of the items.
    pub fn unordered(self) -> Self {
        Self(self.0.unordered())
    }

    /// Sets the maximum number of items taken whose results have not been returned yet, at least 1.
    /// Default: twice the number of calls that all workers can run at once.
    pub fn at_once(self, items: usize) -> Self {
        Self(self.0.at_once(items))
    }

    /// Returns the progress.
    pub fn progress(&self) -> MapProgress {
        self.0.progress()
    }
}

impl<'a, R: 'a> Iterator for Map<'a, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        let next = background::wait("wait for a result of `map`", self.0.next());
        next.unwrap_or_else(|error: Error| panic!("{error}"))
    }
}
