//! Streams of items that belong to calls.
//!
//! A handler takes the items of its caller as a [`Streaming`], and answers with any stream, for
//! example one of [`produce`]. A caller gets a [`StreamingReply`], and passes its own items as
//! [`IntoItems`].
//!
//! A stream of `Bytes` is an `AsyncRead` through `StreamReader` of the crate `tokio-util`, because
//! its errors convert to `io::Error`. An `AsyncRead` becomes items through `ReaderStream`. An
//! [`Emitter`] of `Bytes` is an `AsyncWrite`, and a [`BlockingEmitter`] a
//! [`Write`](std::io::Write).

mod byte_writer;
mod emitter;
mod encoded_items;
mod into_items;
mod iter_items;
mod produce;
mod produce_blocking;
mod relay;
mod respond;
mod streaming_reply;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use isolated_workers_core::{Error, ResultStream};

pub use self::emitter::{Emitter, StreamClosed};
pub(super) use self::encoded_items::EncodedItems;
pub use self::into_items::{IntoItems, TryItems, try_items};
pub use self::iter_items::IterItems;
pub use self::produce::{Produced, produce};
pub use self::produce_blocking::{BlockingEmitter, ProducedBlocking, produce_blocking};
pub use self::relay::{RelaySlot, Relayed, forward, forward_ok, relay};
pub use self::respond::{respond_stream, respond_stream_in_context, streaming};
pub(super) use self::streaming_reply::DecodedReply;
pub use self::streaming_reply::StreamingReply;

/// Items that a caller sends, for a handler.
///
/// Yields an error, and then nothing more, if the call is cancelled or its connection is lost, or
/// if an item cannot be decoded. It ends without an error only after the last item. A handler may
/// answer before.
///
/// Items wait in their process until the handler takes them, at most 256 KiB and one more. Then the
/// caller waits. [`next`](Self::next) is cancel-safe.
pub struct Streaming<T>(ResultStream<'static, T, Error>);

impl<T> Streaming<T> {
    pub(super) fn new(items: impl Stream<Item = Result<T, Error>> + Send + 'static) -> Self {
        Self(ResultStream::new(items))
    }

    /// Waits for the next item. Returns `None` after the last one, and after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        next(self).await
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl<T> FusedStream for Streaming<T> {
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("has_ended", &self.is_terminated()).finish()
    }
}

/// Waits for the next item of a stream.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}
