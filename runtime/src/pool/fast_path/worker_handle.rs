use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_codec::Codec;

use crate::Link;
use crate::pool::scheduler::{InstanceId, PermitCounts, WorkerPermits};

/// Handle by which the scheduler knows a worker.
pub(in crate::pool) struct WorkerHandle<C: Codec> {
    pub(in crate::pool) id: InstanceId,
    pub(in crate::pool) link: Link<C>,
    /// Index of the link in the [table](super::LinkTable).
    pub(in crate::pool) index: usize,
    pub(in crate::pool) pid: Option<u32>,
    /// Slot of the worker, which the listener of its permits reads.
    pub(in crate::pool) slot: Arc<AtomicUsize>,
}

impl<C: Codec> Clone for WorkerHandle<C> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone(), slot: Arc::clone(&self.slot), ..*self }
    }
}

impl<C: Codec> WorkerPermits for WorkerHandle<C> {
    fn open(&self, slot: usize, max_in_flight: u32, recycle_calls: u64, max_calls: u64) {
        self.slot.store(slot, Ordering::Release);
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

    fn try_check_out(&self) -> bool {
        self.link.check_out()
    }

    fn end_session(&self, is_unused: bool) {
        self.link.end_session(is_unused);
    }

    fn available(&self) -> u32 {
        self.link.available_permits()
    }

    fn counts(&self) -> PermitCounts {
        self.link.permits()
    }
}
