use std::fmt;
use std::iter::FusedIterator;

use futures_util::stream::FusedStream;
use isolated_workers_core::Error;
use isolated_workers_middleware::streaming::StreamingReply;

use super::background;

/// Items with which a callee answers a blocking call: an iterator, which waits for each item.
///
/// The call starts with the first `next`. It ends with the last item, or with an error, which is
/// the last element. Dropping the iterator before cancels the call.
///
/// Items wait in this process until they are taken, at most 256 KiB and one more. Then the callee
/// waits.
#[must_use = "the call starts when the first item is taken"]
pub struct ReplyIter<'a, T, E = Error> {
    name: &'static str,
    items: StreamingReply<'a, T, E>,
    from_error: fn(Error) -> E,
    is_refused: bool,
}

impl<'a, T, E> ReplyIter<'a, T, E> {
    /// `name`: name of the message.
    pub(super) fn new(
        name: &'static str,
        items: StreamingReply<'a, T, E>,
        from_error: fn(Error) -> E,
    ) -> Self {
        Self { name, items, from_error, is_refused: false }
    }
}

impl<T, E> Iterator for ReplyIter<'_, T, E> {
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_refused {
            return None;
        }
        let name = self.name;
        background::wait(format_args!("receive an item of `{name}`"), self.items.next()).unwrap_or_else(
            |error| {
                self.is_refused = true;
                Some(Err((self.from_error)(error)))
            },
        )
    }
}

impl<T, E> FusedIterator for ReplyIter<'_, T, E> {}

impl<T, E> fmt::Debug for ReplyIter<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyIter")
            .field("name", &self.name)
            .field("has_ended", &(self.is_refused || self.items.is_terminated()))
            .finish()
    }
}
