//! Service with streams, and its implementation.

use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use isolated_workers::codec::Codec;
use isolated_workers::driver::Thread;
use isolated_workers::prelude::*;
use isolated_workers::serve;
use isolated_workers::service::streaming::{produce, produce_blocking};
use isolated_workers::service::{Context, Streaming};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

#[service]
pub(crate) trait Numbers {
    /// Counts from 0 to below `end`.
    fn count(&self, end: u64) -> impl Stream<Item = u64>;
    /// Divides 100 by each number. The first zero ends the stream.
    fn divide(&self, by: Vec<u64>) -> impl Stream<Item = Result<u64, Failed>>;
    async fn sum(&self, start: u64, numbers: Streaming<u64>) -> u64;
    /// Adds the first numbers, and answers without the others.
    async fn sum_first(&self, numbers: Streaming<u64>, count: usize) -> Result<u64, Failed>;
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Failed>>;
    fn blobs(&self, count: u32, size: usize) -> impl Stream<Item = Bytes>;
    /// Sends items until nobody takes them, on a thread that may block.
    fn produce_blocking(&self, context: Context) -> impl Stream<Item = u64>;
    /// Sends one item, and then waits.
    fn hang(&self, context: Context) -> impl Stream<Item = u64>;
    /// Like `hang`, for callers that wait only for a moment.
    #[message(idle = "50ms")]
    fn stall(&self, context: Context) -> impl Stream<Item = u64>;
    /// Like `stall`, and sends its item after a delay.
    #[message(idle = "50ms")]
    fn stall_late(&self, delay: Duration) -> impl Stream<Item = u64>;
    /// Panics after `count` items.
    fn panic_after(&self, count: u64) -> impl Stream<Item = u64>;
    /// Waits for further numbers after the first one.
    async fn wait_for_numbers(&self, numbers: Streaming<u64>) -> Result<u64, Failed>;
    /// Sends the numbers below `count`, and then waits.
    fn hang_after(&self, count: u64) -> impl Stream<Item = u64>;
    /// Same as `hang_after`, with a short timeout.
    #[message(timeout = "50ms")]
    fn hang_briefly(&self, context: Context, count: u64) -> impl Stream<Item = u64>;
    /// Same as `hang_after`, without a timeout.
    fn wait_for_items(&self, context: Context, count: u64) -> impl Stream<Item = u64>;
    /// Waits without taking a number, with a short timeout.
    #[message(timeout = "50ms")]
    async fn take_none_briefly(&self, numbers: Streaming<u64>) -> u64;
    /// Takes `count` numbers, and then waits.
    async fn take_and_hang(&self, numbers: Streaming<u64>, count: u64) -> u64;
    /// Sends the numbers that it receives.
    fn pass(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
    /// Sends `size` bytes, read and written as `how` says. Then the stream fails or hangs, if it
    /// should.
    fn download(&self, how: How, size: u64, then: Then) -> impl Stream<Item = Result<Bytes, Failed>>;
    /// Reads all bytes, in a task that goes on if the call is cancelled. Returns their number and
    /// checksum.
    async fn upload(&self, bytes: Streaming<Bytes>) -> Result<(u64, u64), Failed>;
    /// Outcome of the last upload.
    async fn last_upload(&self) -> Result<(u64, u64), Failed>;
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Computes each of three items without awaiting. Before the second one, it waits on its thread
    /// until it can read a byte from this port of the host. Before the third one, it aborts.
    fn compute(&self, port: u16) -> impl Stream<Item = u64>;
}

/// Way in which bytes become items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    Reader,
    AsyncWriter,
    BlockingWriter,
}

/// Event after the bytes of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Then {
    End,
    Fail,
    Hang,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// Event in the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A blocking producer has ended after this many items.
    ProducerEnded(u64),
    /// The token of a call was cancelled.
    Cancelled,
    /// An item has arrived.
    Number(u64),
    /// The items of the caller have failed.
    Failed(String),
}

#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) seen: mpsc::UnboundedSender<Seen>,
    uploads: watch::Sender<Option<Result<(u64, u64), Failed>>>,
}

impl Counter {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, receiver) = mpsc::unbounded_channel();
        (Self { seen, uploads: watch::Sender::default() }, receiver)
    }
}

impl Numbers for Counter {
    fn count(&self, end: u64) -> impl Stream<Item = u64> {
        stream::iter(0..end)
    }

    fn divide(&self, by: Vec<u64>) -> impl Stream<Item = Result<u64, Failed>> {
        stream::iter(by.into_iter().map(|by| match by {
            0 => Err(Failed("division by zero".into())),
            by => Ok(100 / by),
        }))
    }

    async fn sum(&self, start: u64, mut numbers: Streaming<u64>) -> u64 {
        let mut sum = start;
        while let Some(number) = numbers.next().await {
            sum += number.unwrap();
        }
        sum
    }

    async fn sum_first(&self, mut numbers: Streaming<u64>, count: usize) -> Result<u64, Failed> {
        let mut sum = 0;
        for _ in 0..count {
            match numbers.next().await {
                Some(number) => sum += number?,
                None => return Err(Failed("too few numbers".into())),
            }
        }
        Ok(sum)
    }

    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Failed>> {
        numbers.map(|number| Ok(2 * number?))
    }

    fn blobs(&self, count: u32, size: usize) -> impl Stream<Item = Bytes> {
        stream::iter((0..count).map(move |number| Bytes::from(vec![number as u8; size])))
    }

    fn produce_blocking(&self, _: Context) -> impl Stream<Item = u64> {
        let seen = self.seen.clone();
        let numbers = produce_blocking(move |out| {
            let mut sent = 0;
            while out.send(sent).is_ok() {
                sent += 1;
            }
            seen.send(Seen::ProducerEnded(sent)).unwrap();
            Ok::<(), Failed>(())
        });
        numbers.map(Result::unwrap)
    }

    fn hang(&self, context: Context) -> impl Stream<Item = u64> {
        let seen = self.seen.clone();
        tokio::spawn(async move {
            context.cancelled().cancelled().await;
            let _ = seen.send(Seen::Cancelled);
        });
        stream::iter([7]).chain(stream::pending())
    }

    fn stall(&self, context: Context) -> impl Stream<Item = u64> {
        self.hang(context)
    }

    fn stall_late(&self, delay: Duration) -> impl Stream<Item = u64> {
        let late = async move {
            tokio::time::sleep(delay).await;
            7
        };
        stream::once(late).chain(stream::pending())
    }

    fn panic_after(&self, count: u64) -> impl Stream<Item = u64> {
        produce(move |mut out| async move {
            for number in 0..count {
                out.send(number).await.unwrap();
            }
            panic!("out of numbers");
            #[allow(unreachable_code)]
            Ok::<(), Failed>(())
        })
        .map(Result::unwrap)
    }

    async fn wait_for_numbers(&self, mut numbers: Streaming<u64>) -> Result<u64, Failed> {
        loop {
            match numbers.next().await {
                Some(Ok(number)) => self.seen.send(Seen::Number(number)).unwrap(),
                Some(Err(error)) => {
                    self.seen.send(Seen::Failed(error.to_string())).unwrap();
                    return Err(error.into());
                }
                None => return Ok(0),
            }
        }
    }

    fn hang_after(&self, count: u64) -> impl Stream<Item = u64> {
        stream::iter(0..count).chain(stream::pending())
    }

    fn hang_briefly(&self, context: Context, count: u64) -> impl Stream<Item = u64> {
        let seen = self.seen.clone();
        tokio::spawn(async move {
            context.cancelled().cancelled().await;
            let _ = seen.send(Seen::Cancelled);
        });
        self.hang_after(count)
    }

    fn wait_for_items(&self, context: Context, count: u64) -> impl Stream<Item = u64> {
        self.hang_briefly(context, count)
    }

    async fn take_none_briefly(&self, _: Streaming<u64>) -> u64 {
        std::future::pending().await
    }

    async fn take_and_hang(&self, mut numbers: Streaming<u64>, count: u64) -> u64 {
        for _ in 0..count {
            let Some(Ok(_)) = numbers.next().await else { break };
        }
        std::future::pending().await
    }

    fn pass(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        numbers.filter_map(async |number| number.ok())
    }

    fn download(&self, how: How, size: u64, then: Then) -> impl Stream<Item = Result<Bytes, Failed>> {
        let file = PatternFile::new(size, then);
        match how {
            How::Reader => ReaderStream::new(file).map_err(Failed::from).left_stream(),
            How::AsyncWriter => produce(async move |mut out| {
                let (mut file, mut buffer) = (file, vec![0; 100_000]);
                loop {
                    match file.read(&mut buffer).await? {
                        0 => break Ok(out.shutdown().await?),
                        read => out.write_all(&buffer[..read]).await?,
                    }
                }
            })
            .left_stream()
            .right_stream(),
            How::BlockingWriter => produce_blocking(move |mut out| {
                let runtime = tokio::runtime::Handle::current();
                let mut file = SyncIoBridge::new_with_handle(file, runtime);
                std::io::copy(&mut file, &mut out)?;
                Ok(())
            })
            .right_stream()
            .right_stream(),
        }
    }

    async fn upload(&self, bytes: Streaming<Bytes>) -> Result<(u64, u64), Failed> {
        let uploads = self.uploads.clone();
        uploads.send_replace(None);
        let read = tokio::spawn(async move {
            let result = checksum(StreamReader::new(bytes)).await.map_err(Failed::from);
            uploads.send_replace(Some(result.clone()));
            result
        });
        read.await.unwrap()
    }

    async fn last_upload(&self) -> Result<(u64, u64), Failed> {
        let mut uploads = self.uploads.subscribe();
        let upload = uploads.wait_for(Option::is_some).await.unwrap();
        upload.clone().unwrap()
    }

    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    fn compute(&self, port: u16) -> impl Stream<Item = u64> {
        stream::iter(0..3).inspect(move |item| {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            match item {
                0 => {}
                1 => {
                    let mut host = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
                    io::Read::read_exact(&mut host, &mut [0]).unwrap();
                }
                _ => std::process::abort(),
            }
        })
    }
}

/// A file of `size` bytes, after which it ends, fails or hangs.
pub(crate) struct PatternFile {
    size: u64,
    position: u64,
    then: Then,
}

impl PatternFile {
    pub(crate) fn new(size: u64, then: Then) -> Self {
        Self { size, position: 0, then }
    }
}

impl AsyncRead for PatternFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = (self.size - self.position).min(buffer.remaining() as u64);
        if count == 0 {
            return match self.then {
                Then::End => Poll::Ready(Ok(())),
                Then::Fail => Poll::Ready(Err(io::Error::other("the disk is broken"))),
                Then::Hang => Poll::Pending,
            };
        }
        for position in self.position..self.position + count {
            buffer.put_slice(&[byte_at(position)]);
        }
        self.position += count;
        Poll::Ready(Ok(()))
    }
}

/// Byte of a [`PatternFile`].
fn byte_at(position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Reads to the end. Returns the number of bytes and their checksum, which depends on their order.
pub(crate) async fn checksum(mut reader: impl AsyncRead + Unpin) -> io::Result<(u64, u64)> {
    let (mut count, mut sum) = (0, 0_u64);
    let mut buffer = vec![0; 8192];
    loop {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            return Ok((count, sum));
        }
        count += read as u64;
        for &byte in &buffer[..read] {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(byte));
        }
    }
}

/// Runs the service on a thread.
pub(crate) fn thread<C: Codec>(counter: &Counter, codec: C) -> Thread {
    let counter = counter.clone();
    Thread::new(move || serve(counter.clone().into_service()).codec(codec.clone()).into_future())
}
