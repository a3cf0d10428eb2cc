use isolated_workers_codec::Codec;

use crate::Link;
use crate::pool::scheduler::{PermitCounts, WorkerPermits};

/// Handle by which the scheduler knows a worker.
pub(in crate::pool) struct WorkerHandle<C: Codec> {
    pub(in crate::pool) link: Link<C>,
    /// Index of the link in its slot.
    pub(in crate::pool) index: usize,
    pub(in crate::pool) pid: Option<u32>,
}

impl<C: Codec> Clone for WorkerHandle<C> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone(), ..*self }
    }
}

impl<C: Codec> WorkerPermits for WorkerHandle<C> {
    fn open(&self, max_in_flight: u32, recycle_calls: u64, max_calls: u64) {
        self.link.open_permits(max_in_flight, recycle_calls, max_calls);
    }

    fn close(&self) {
        self.link.close_permits();
    }

    fn try_acquire(&self) -> bool {
        self.link.acquire_permit()
    }

    fn release(&self) {
        self.link.release_permit();
    }

    fn available(&self) -> u32 {
        self.link.available_permits()
    }

    fn counts(&self) -> PermitCounts {
        self.link.permits()
    }
}
