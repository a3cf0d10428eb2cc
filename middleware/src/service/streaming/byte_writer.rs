//! Writes to an emitter of bytes. Each write is an item, so that any code that writes can answer
//! with a stream.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::emitter::put;
use super::{BlockingEmitter, Emitter, StreamClosed};

/// Maximum number of bytes that one write takes: a quarter of the credit of a stream, so that the
/// next item is made while others travel.
const MAX_WRITE_BYTES: usize = 64 << 10;

fn item_of(buffer: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&buffer[..buffer.len().min(MAX_WRITE_BYTES)])
}

fn broken_pipe(closed: StreamClosed) -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, closed)
}

/// Each write sends an item of at most 64 KiB. Put a `tokio::io::BufWriter` around it if writes are
/// small.
///
/// A flush waits until the connection has taken all items. A shutdown does the same, and ends
/// nothing: the stream ends when the function of [`produce`](super::produce) returns, with an error
/// if that returns one. So a writer that is dropped early never looks like the end.
///
/// Fails with `BrokenPipe`, and [`StreamClosed`] as its cause, if the caller takes no more items.
impl AsyncWrite for Emitter<Bytes> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let slot = ready!(self.poll_empty(cx)).map_err(broken_pipe)?;
        let item = item_of(buffer);
        let written = item.len();
        put(slot, item, cx);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_empty(cx).map_ok(drop).map_err(broken_pipe)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Each write sends an item of at most 64 KiB. Put a `std::io::BufWriter` around it if writes are
/// small. Blocks as [`send`](BlockingEmitter::send) does.
///
/// Fails with `BrokenPipe`, and [`StreamClosed`] as its cause, if the caller takes no more items.
impl io::Write for BlockingEmitter<Bytes> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let item = item_of(buffer);
        let written = item.len();
        self.send(item).map_err(broken_pipe)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use futures_util::{StreamExt, TryStreamExt};

    use super::super::{produce, produce_blocking};
    use super::*;

    async fn write(out: &mut Emitter<Bytes>, buffer: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *out).poll_write(cx, buffer)).await
    }

    #[tokio::test]
    async fn a_write_is_one_item_of_bounded_size_and_precedes_the_error_after_it() {
        let mut items = Box::pin(produce(async |mut out| {
            assert_eq!(write(&mut out, &[]).await.unwrap(), 0);
            assert_eq!(write(&mut out, &[1; 1 << 20]).await.unwrap(), MAX_WRITE_BYTES);
            assert_eq!(write(&mut out, b"end").await.unwrap(), 3);
            Err("broken")
        }));
        let lengths: Vec<usize> =
            items.by_ref().take(2).map_ok(|item| item.len()).try_collect().await.unwrap();
        assert_eq!(lengths, [MAX_WRITE_BYTES, 3]);
        assert_eq!(items.next().await, Some(Err("broken")));
        assert_eq!(items.next().await, None);
    }

    #[tokio::test]
    async fn a_flush_waits_until_the_item_is_taken() {
        let mut items = Box::pin(produce(async |mut out| {
            write(&mut out, b"item").await.unwrap();
            poll_fn(|cx| Pin::new(&mut out).poll_flush(cx)).await?;
            Err(io::Error::other("flushed"))
        }));
        assert_eq!(items.next().await.unwrap().unwrap(), "item");
        assert_eq!(items.next().await.unwrap().unwrap_err().to_string(), "flushed");
    }

    #[tokio::test]
    async fn a_write_to_a_stream_that_was_dropped_is_a_broken_pipe() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut items = produce_blocking(move |mut out| {
            let error = loop {
                if let Err(error) = out.write(b"item") {
                    break error;
                }
            };
            sender.send(error).unwrap();
            Ok::<(), io::Error>(())
        });
        assert_eq!(items.next().await.unwrap().unwrap(), "item");
        drop(items);
        let error = receiver.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.get_ref().unwrap().is::<StreamClosed>());

        let (sender, receiver) = tokio::sync::oneshot::channel();
        drop(produce(|out: Emitter<Bytes>| {
            sender.send(out).unwrap();
            std::future::ready(Ok::<(), io::Error>(()))
        }));
        let error = write(&mut receiver.await.unwrap(), b"item").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
