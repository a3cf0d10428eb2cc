use std::collections::VecDeque;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(windows)]
use std::os::windows::io::OwnedHandle;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Open descriptor of this system.
#[cfg(unix)]
pub type Handle = OwnedFd;
/// Open descriptor of this system.
#[cfg(windows)]
pub type Handle = OwnedHandle;

/// Descriptors that travel beside the bytes of a channel, one queue for each direction.
///
/// A [`Channel`](crate::Channel) without them carries bytes only. Both queues are shared with the
/// halves of the channel, so a half needs no other trait than `AsyncRead` or `AsyncWrite`.
#[derive(Clone, Debug, Default)]
pub struct ChannelDescriptors {
    /// Batches to send. The writer sends the first batch with the first byte of its next write.
    pub outgoing: DescriptorQueue,
    /// Batches that arrived with bytes that were read.
    pub incoming: DescriptorQueue,
}

/// Descriptors that are sent together.
#[derive(Debug, Default)]
pub struct DescriptorBatch {
    /// The descriptors, in order. At most [`MAX`](Self::MAX).
    pub handles: Vec<Handle>,
    /// `true` if some of the descriptors that the peer sent were not received: there were more than
    /// [`MAX`](Self::MAX), or this process has no free descriptor.
    pub is_incomplete: bool,
}

impl DescriptorBatch {
    /// Maximum number of descriptors in a batch. The system closes those above it.
    pub const MAX: usize = 16;
}

/// Queue of batches, shared by a half of a channel and the connection that uses it.
#[derive(Clone, Debug, Default)]
pub struct DescriptorQueue(Arc<QueueState>);

#[derive(Debug, Default)]
struct QueueState {
    is_open: AtomicBool,
    /// Number of batches, readable without the mutex.
    length: AtomicUsize,
    batches: Mutex<VecDeque<DescriptorBatch>>,
}

impl DescriptorQueue {
    /// Starts to take descriptors. Before, a reader closes those that arrive.
    pub fn open(&self) {
        self.0.is_open.store(true, Ordering::Release);
    }

    /// Returns `true` after [`open`](Self::open).
    #[inline]
    pub fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Acquire)
    }

    /// Number of batches in the queue.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.length.load(Ordering::Acquire)
    }

    /// Returns `true` if the queue has no batch.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a batch at the end.
    pub fn push(&self, batch: DescriptorBatch) {
        let mut batches = self.lock();
        batches.push_back(batch);
        self.0.length.store(batches.len(), Ordering::Release);
    }

    /// Takes the first batch.
    pub fn pop(&self) -> Option<DescriptorBatch> {
        let mut batches = self.lock();
        let batch = batches.pop_front();
        self.0.length.store(batches.len(), Ordering::Release);
        batch
    }

    /// Calls `send` with the first batch, and takes the batch if bytes were sent with it.
    ///
    /// # Errors
    /// The error of `send`. The batch then stays.
    pub fn send_first<E>(&self, send: impl FnOnce(&[Handle]) -> Result<usize, E>) -> Result<usize, E> {
        // Not under the mutex, because `send` is a system call.
        let Some(batch) = self.pop() else { return send(&[]) };
        let sent = send(&batch.handles);
        if !matches!(sent, Ok(1..)) {
            let mut batches = self.lock();
            batches.push_front(batch);
            self.0.length.store(batches.len(), Ordering::Release);
        }
        sent
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<DescriptorBatch>> {
        self.0.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_batch_stays_in_the_queue_until_bytes_were_sent_with_it() {
        let queue = DescriptorQueue::default();
        queue.push(DescriptorBatch::default());
        let refused = queue.send_first(|_| Err(io::ErrorKind::WouldBlock));
        assert_eq!((refused, queue.len()), (Err(io::ErrorKind::WouldBlock), 1));
        assert_eq!((queue.send_first(|_| Ok::<_, ()>(3)), queue.len()), (Ok(3), 0));
        assert!(queue.is_empty() && queue.pop().is_none());
    }
}
