mod result_stream;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

pub use self::result_stream::ResultStream;
use crate::{Body, Error};

/// Streams of encoded items that belong to a call, besides its message and its reply.
///
/// A caller that takes items opens the stream with its request. Its end is the answer of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// `true` if the caller sends items.
    pub from_caller: bool,
    /// `true` if the callee sends items.
    pub from_callee: bool,
}

impl Streams {
    /// A message and a reply, without items.
    pub const NONE: Self = Self { from_caller: false, from_callee: false };

    /// Returns `true` if neither side sends items.
    #[inline]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// Encoded items of one side of a call, in their order.
///
/// A stream that ends early yields an error as its last element. Dropping the stream of a callee's
/// items cancels the call. Dropping it does not wait.
pub struct Items(ResultStream<'static, Body, Error>);

impl Items {
    /// Creates the items of a stream. They end with its end, or after its first error.
    pub fn new(items: impl Stream<Item = Result<Body, Error>> + Send + 'static) -> Self {
        Self(ResultStream::new(items))
    }

    /// Creates a stream that fails.
    pub fn failed(error: Error) -> Self {
        Self::new(FailedItems(Some(error)))
    }

    /// Creates a stream without items.
    pub const fn none() -> Self {
        Self(ResultStream::ended())
    }

    /// Keeps `guard` until the last item was taken, the stream has failed, or it is dropped. A
    /// middleware keeps a permit, a span or a timer in it.
    #[must_use]
    pub fn hold(self, guard: impl Send + 'static) -> Self {
        if self.is_terminated() { self } else { Self::new(HeldItems { items: self.0, guard: Some(guard) }) }
    }

    /// Changes each item, or the error at the end, with `change`.
    #[must_use]
    pub fn map(
        self,
        change: impl FnMut(Result<Body, Error>) -> Result<Body, Error> + Send + 'static,
    ) -> Self {
        if self.is_terminated() {
            return self;
        }
        Self::new(MappedItems { items: self.0, change: Box::new(change) })
    }
}

impl Stream for Items {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl FusedStream for Items {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("has_ended", &self.is_terminated()).finish()
    }
}

struct FailedItems(Option<Error>);

impl Stream for FailedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// Items with a guard.
struct HeldItems<G> {
    items: ResultStream<'static, Body, Error>,
    guard: Option<G>,
}

// The guard is never pinned.
impl<G> Unpin for HeldItems<G> {}

impl<G> Stream for HeldItems<G> {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.items).poll_next(cx);
        if self.items.is_terminated() {
            self.guard = None;
        }
        next
    }
}

/// Function that changes an item.
type Change = Box<dyn FnMut(Result<Body, Error>) -> Result<Body, Error> + Send>;

struct MappedItems {
    items: ResultStream<'static, Body, Error>,
    change: Change,
}

impl Stream for MappedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Pin::new(&mut this.items).poll_next(cx).map(|next| next.map(&mut this.change))
    }
}
