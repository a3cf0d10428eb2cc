use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::line_logger::LineLogger;
use super::tail::OutputTail;

/// Time for which a stream is read after its process has exited. The stream normally ends with the
/// process, unless a child that has left the process group holds it open.
const FINAL_OUTPUT_TIMEOUT: Duration = Duration::from_millis(20);

/// Size of the read buffer.
const READ_BUFFER_BYTES: usize = 8 << 10;

/// Destination of a stream, in addition to its tail.
pub(in crate::driver) enum Sink {
    Nowhere,
    Through(Box<dyn AsyncWrite + Send + Unpin>),
    Lines(LineLogger),
}

impl Sink {
    async fn push(&mut self, new: &[u8]) {
        match self {
            Self::Nowhere => {}
            Self::Through(to) => {
                // If the host's stream is closed, the tail is still kept.
                let _ = to.write_all(new).await;
                let _ = to.flush().await;
            }
            Self::Lines(lines) => lines.push(new),
        }
    }
}

/// Task that reads a standard stream of a process to its end. Dropping this value aborts the task.
#[derive(Debug)]
pub(in crate::driver) struct OutputReader {
    tail: OutputTail,
    task: JoinHandle<()>,
}

impl OutputReader {
    pub(in crate::driver) fn new(mut from: impl AsyncRead + Send + Unpin + 'static, mut to: Sink) -> Self {
        let tail = OutputTail::default();
        let writer = tail.clone();
        let task = tokio::spawn(async move {
            // On the heap, because the future is moved when it is spawned.
            let mut buffer = vec![0; READ_BUFFER_BYTES];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                writer.push(&buffer[..read]);
                to.push(&buffer[..read]).await;
            }
        });
        Self { tail, task }
    }

    /// Tail of the stream.
    pub(in crate::driver) fn tail(&self) -> &OutputTail {
        &self.tail
    }

    /// Reads the rest of the stream after its process has exited. Cancel-safe.
    pub(in crate::driver) async fn finish(&mut self) {
        // A task must not be polled after it has finished.
        if !self.task.is_finished() && timeout(FINAL_OUTPUT_TIMEOUT, &mut self.task).await.is_err() {
            // Output from here on is not the worker's.
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for OutputReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
