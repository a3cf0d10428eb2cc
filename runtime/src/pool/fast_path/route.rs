//! Route of a call to its worker.

use isolated_workers_codec::Codec;

use crate::Link;
use crate::connection::CallTarget;
use crate::pool::scheduler::{InstanceId, PermitCounts, WorkerPermits};
use crate::pool::shared::PoolShared;

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
    fn open(&self, max_in_flight: u32, max_calls: u64) {
        self.link.open_permits(max_in_flight, max_calls);
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
        let (is_open, in_flight, started) = self.link.permits();
        PermitCounts { is_open, in_flight, started }
    }
}

/// Route of one call: the worker that the call chooses, or that the scheduler assigned.
pub(in crate::pool) struct Route<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    slot: usize,
    link: Option<&'a Link<C>>,
}

impl<'a, C: Codec> Route<'a, C> {
    /// Creates a route to any worker that has a free permit when the call starts.
    #[inline]
    pub(in crate::pool) fn any(shared: &'a PoolShared<C>) -> Self {
        Self { shared, slot: 0, link: None }
    }

    /// Creates a route to an assigned worker, with a permit that the call releases.
    pub(in crate::pool) fn assigned(
        shared: &'a PoolShared<C>,
        id: InstanceId,
        worker: &WorkerHandle<C>,
    ) -> Self {
        Self { shared, slot: id.slot, link: Some(shared.links.get(id.slot, worker.index)) }
    }

    /// Returns the link to the worker.
    #[inline]
    pub(in crate::pool) fn chosen(&self) -> &'a Link<C> {
        self.link.expect("the route has a worker")
    }
}

impl<C: Codec> CallTarget for Route<'_, C> {
    type Codec = C;
    const NEEDS_PERMIT: bool = true;

    #[inline]
    fn link(&self) -> &Link<C> {
        self.chosen()
    }

    #[inline]
    fn choose(&mut self) -> bool {
        if self.shared.contention.is_contended() {
            return false;
        }
        match self.shared.links.most_free(self.shared.max_in_flight) {
            Some((slot, link)) => {
                (self.slot, self.link) = (slot, Some(link));
                true
            }
            None => false,
        }
    }

    #[inline]
    fn permit_released(&self, is_due: bool) {
        if is_due || self.shared.contention.is_contended() {
            self.shared.permit_released(self.slot);
        }
    }
}
