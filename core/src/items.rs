use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;

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

type BoxItems = Pin<Box<dyn Stream<Item = Result<Body, Error>> + Send>>;

/// Encoded items of one side of a call, in their order.
///
/// A stream that ends early yields an error as its last element. Dropping the stream of a callee's
/// items cancels the call. Dropping it does not wait.
pub struct Items(Option<BoxItems>);

impl Items {
    /// Creates the items of a stream. They end with its end, or after its first error.
    pub fn new(items: impl Stream<Item = Result<Body, Error>> + Send + 'static) -> Self {
        Self(Some(Box::pin(items)))
    }

    /// Creates a stream that fails.
    pub fn failed(error: Error) -> Self {
        Self::new(FailedItems(Some(error)))
    }

    /// Creates a stream without items.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Keeps `guard` until the last item was taken, the stream has failed, or it is dropped. A
    /// middleware keeps a permit, a span or a timer in it.
    #[must_use]
    pub fn hold(self, guard: impl Send + 'static) -> Self {
        match self.0 {
            Some(items) => Self::new(HeldItems { items, guard: Some(guard) }),
            None => self,
        }
    }

    /// Changes each item, or the error at the end, with `change`.
    #[must_use]
    pub fn map(
        self,
        change: impl FnMut(Result<Body, Error>) -> Result<Body, Error> + Send + 'static,
    ) -> Self {
        match self.0 {
            Some(items) => Self::new(MappedItems { items, change: Box::new(change) }),
            None => self,
        }
    }
}

impl Stream for Items {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(items) = &mut self.0 else { return Poll::Ready(None) };
        let next = items.as_mut().poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        next
    }
}

impl FusedStream for Items {
    fn is_terminated(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("has_ended", &self.0.is_none()).finish()
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
    items: BoxItems,
    guard: Option<G>,
}

// The guard is never pinned.
impl<G> Unpin for HeldItems<G> {}

impl<G> Stream for HeldItems<G> {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.items.as_mut().poll_next(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.guard = None;
        }
        next
    }
}

/// Function that changes an item.
type Change = Box<dyn FnMut(Result<Body, Error>) -> Result<Body, Error> + Send>;

struct MappedItems {
    items: BoxItems,
    change: Change,
}

impl Stream for MappedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.items.as_mut().poll_next(cx).map(|next| next.map(&mut this.change))
    }
}
