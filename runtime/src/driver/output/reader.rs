use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::host_stream::HostStream;
use super::line_logger::LineLogger;
use super::tail::OutputTail;

/// Time for which a stream is read and passed on after its process has exited. The stream normally
/// ends with the process, unless a child that has left the process group holds it open, or the
/// host's own stream blocks.
const FINAL_OUTPUT_TIMEOUT: Duration = Duration::from_millis(20);

/// Size of the read buffer.
const READ_BUFFER_BYTES: usize = 8 << 10;

/// Destination of a stream, in addition to its tail.
pub(in crate::driver) enum Sink {
    Nowhere,
    Through(HostStream),
    Lines(LineLogger),
}

impl Sink {
    /// Passes bytes on. Waits while the host's own stream blocks.
    async fn push(&mut self, new: &[u8]) {
        match self {
            Self::Through(to) => to.write(new).await,
            Self::Nowhere | Self::Lines(_) => self.push_now(new),
        }
    }

    /// Waits until all bytes are passed on, or not at all if the host's own stream blocks.
    async fn flush(&mut self) {
        if let Self::Through(to) = self {
            to.flush().await;
        }
    }

    /// Passes bytes on. Drops them if the host's own stream blocks.
    fn push_now(&mut self, new: &[u8]) {
        match self {
            Self::Nowhere => {}
            Self::Through(to) => to.queue(new),
            Self::Lines(lines) => lines.push(new),
        }
    }
}

/// Task that reads a standard stream of a process to its end. Dropping this value aborts the task.
#[derive(Debug)]
pub(in crate::driver) struct OutputReader {
    tail: OutputTail,
    task: JoinHandle<()>,
    /// Dropped to stop the task after what can be read at once.
    last_read: Option<oneshot::Sender<()>>,
}

impl OutputReader {
    pub(in crate::driver) fn new(mut from: impl AsyncRead + Send + Unpin + 'static, mut to: Sink) -> Self {
        let tail = OutputTail::default();
        let writer = tail.clone();
        let (last_read, mut is_last) = oneshot::channel();
        let task = tokio::spawn(async move {
            // On the heap, because the future is moved when it is spawned.
            let mut buffer = vec![0; READ_BUFFER_BYTES];
            let passing = async {
                while let Ok(read @ 1..) = from.read(&mut buffer).await {
                    writer.push(&buffer[..read]);
                    to.push(&buffer[..read]).await;
                }
            };
            tokio::select! {
                biased;
                () = passing => return,
                _ = &mut is_last => {}
            }
            while let Some(Ok(read @ 1..)) = from.read(&mut buffer).now_or_never() {
                writer.push(&buffer[..read]);
                to.push_now(&buffer[..read]);
            }
            to.flush().await;
        });
        Self { tail, task, last_read: Some(last_read) }
    }

    /// Tail of the stream.
    pub(in crate::driver) fn tail(&self) -> &OutputTail {
        &self.tail
    }

    /// Reads the rest of the stream after its process has exited. Cancel-safe.
    pub(in crate::driver) async fn finish(&mut self) {
        // A task must not be polled after it has finished.
        if !self.task.is_finished() && timeout(FINAL_OUTPUT_TIMEOUT, &mut self.task).await.is_err() {
            // Output after what is there now is not the worker's.
            self.last_read = None;
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for OutputReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
