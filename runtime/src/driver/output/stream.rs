use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::kept::Kept;
use super::lines::Lines;

/// How long the rest of a stream is waited for once its process has ended. It ends with the process, unless a child of
/// that has left its group and holds it open.
const REST: Duration = Duration::from_millis(20);

/// How much is read at once, in bytes.
const READ: usize = 8 << 10;

/// Where what is read goes, beside being kept.
pub(in crate::driver) enum Sink {
    Nowhere,
    Through(Box<dyn AsyncWrite + Send + Unpin>),
    Lines(Lines),
}

impl Sink {
    async fn take(&mut self, new: &[u8]) {
        match self {
            Self::Nowhere => {}
            Self::Through(to) => {
                // A host without a standard error still wants its workers' last words.
                let _ = to.write_all(new).await;
                let _ = to.flush().await;
            }
            Self::Lines(lines) => lines.take(new),
        }
    }
}

/// A standard stream of a process, which a task reads to its end. Dropping this ends the task.
#[derive(Debug)]
pub(in crate::driver) struct Stream {
    kept: Kept,
    task: JoinHandle<()>,
}

impl Stream {
    pub(in crate::driver) fn new(mut from: impl AsyncRead + Send + Unpin + 'static, mut to: Sink) -> Self {
        let kept = Kept::default();
        let keep = kept.clone();
        let task = tokio::spawn(async move {
            // Not within the future, which is moved to where it runs.
            let mut buffer = vec![0; READ];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                keep.push(&buffer[..read]);
                to.take(&buffer[..read]).await;
            }
        });
        Self { kept, task }
    }

    /// What is kept of it.
    pub(in crate::driver) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Reads what is left of it, whose process has ended. Cancel-safe.
    pub(in crate::driver) async fn rest(&mut self) {
        // A task that was waited for cannot be waited for again.
        if !self.task.is_finished() && timeout(REST, &mut self.task).await.is_err() {
            // What others write from now on is not the worker's.
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}
