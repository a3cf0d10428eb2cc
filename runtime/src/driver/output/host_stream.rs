use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::StandardStream;
use crate::driver::system::host_stream::{block_sigpipe, is_writable, write_all};

/// Number of chunks that wait for a stream. Each is at most one read of a worker's output.
const MAX_QUEUED_CHUNKS: usize = 64;

/// Time for the thread to write the queue to a stream that does not block.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Stack size of a stream's thread.
const STACK_BYTES: usize = 64 << 10;

/// A standard stream of this process, written by its own thread.
///
/// A write blocks for as long as nobody reads the stream. The thread is detached, so it holds up
/// neither a tokio runtime that is dropped nor the end of the process.
#[derive(Clone, Debug)]
pub(in crate::driver) struct HostStream {
    stream: StandardStream,
    queue: mpsc::Sender<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    /// Dropped when the bytes are written.
    _written: oneshot::Sender<()>,
}

impl HostStream {
    /// Starts the thread of the stream if it does not run yet.
    ///
    /// # Errors
    /// Returns the system's error if it refuses the thread.
    pub(super) fn open(stream: StandardStream) -> io::Result<Self> {
        static OUTPUT: Mutex<Option<HostStream>> = Mutex::new(None);
        static ERROR: Mutex<Option<HostStream>> = Mutex::new(None);
        let opened = match stream {
            StandardStream::Output => &OUTPUT,
            StandardStream::Error => &ERROR,
        };
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*opened {
            return Ok(open.clone());
        }
        let (sender, mut queue) = mpsc::channel::<Chunk>(MAX_QUEUED_CHUNKS);
        let write = move || {
            block_sigpipe();
            while let Some(chunk) = queue.blocking_recv() {
                // If nobody reads the stream any more, its text is lost.
                let _ = write_all(stream, &chunk.bytes);
            }
        };
        let thread = std::thread::Builder::new().name("worker-output".into()).stack_size(STACK_BYTES);
        thread.spawn(write)?;
        Ok(opened.insert(Self { stream, queue: sender }).clone())
    }

    /// Writes the bytes. Returns when they are written, or lost because the stream is closed.
    pub(super) async fn write(&self, bytes: &[u8]) {
        let (chunk, written) = Chunk::new(bytes);
        if self.queue.send(chunk).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Queues the bytes without waiting. Drops them if the queue is full.
    pub(super) fn queue(&self, bytes: &[u8]) {
        let _ = self.queue.try_send(Chunk::new(bytes).0);
    }

    /// Waits until the queue is written, or not at all if the stream blocks.
    pub(super) async fn flush(&self) {
        let (empty, written) = Chunk::new(&[]);
        if is_writable(self.stream) && self.queue.try_send(empty).is_ok() {
            let _ = timeout(FLUSH_TIMEOUT, written).await;
        }
    }
}

impl Chunk {
    fn new(bytes: &[u8]) -> (Self, oneshot::Receiver<()>) {
        let (sender, written) = oneshot::channel();
        (Self { bytes: bytes.into(), _written: sender }, written)
    }
}
