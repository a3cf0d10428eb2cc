use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What becomes of what a worker writes to its standard output or error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// It goes where the host's goes.
    Inherit,
    /// It goes nowhere.
    Discard,
    /// It goes where the host's goes, by way of the host, which keeps the last 4 KiB of it for the error that tells of
    /// the worker's end. The default for the standard error.
    #[default]
    Keep,
}

impl Output {
    pub(super) fn stdio(self) -> Stdio {
        match self {
            Self::Inherit => Stdio::inherit(),
            Self::Discard => Stdio::null(),
            Self::Keep => Stdio::piped(),
        }
    }
}

/// How much is kept, in bytes.
const KEPT: usize = 4 << 10;

/// How long the rest of a stream is waited for once its process has ended. It ends with the process, unless a child of
/// that holds it open.
const REST: Duration = Duration::from_millis(20);

/// Passes a stream on, and keeps its end.
#[derive(Debug)]
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    task: JoinHandle<()>,
}

impl Tail {
    pub(super) fn new(
        mut from: impl AsyncRead + Send + Unpin + 'static,
        mut to: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let keep = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            let mut buffer = [0; KEPT];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                let new = &buffer[..read];
                {
                    let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend(new);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
                // A host without a standard error still wants its workers' last words.
                let _ = to.write_all(new).await;
                let _ = to.flush().await;
            }
        });
        Self { kept, task }
    }

    /// The end of the stream, whose process has ended.
    pub(super) async fn last_words(&mut self) -> String {
        let _ = timeout(REST, &mut self.task).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.iter().copied().collect::<Vec<_>>()).trim_end().to_owned()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // What a grandchild writes after the worker's end is not ours to pass on.
        self.task.abort();
    }
}
