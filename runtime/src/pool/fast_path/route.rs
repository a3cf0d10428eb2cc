//! Route of a call to its worker.

use isolated_workers_codec::Codec;

use crate::Link;
use crate::connection::CallTarget;
use crate::pool::fast_path::WorkerHandle;
use crate::pool::state::PoolShared;

/// Route of one call: the worker that the call chooses, or that the scheduler assigned.
pub(in crate::pool) struct Route<'a, C: Codec> {
    shared: &'a PoolShared<C>,
    link: Option<&'a Link<C>>,
}

impl<'a, C: Codec> Route<'a, C> {
    /// Creates a route to any worker that has a free permit when the call starts.
    #[inline]
    pub(in crate::pool) fn any(shared: &'a PoolShared<C>) -> Self {
        Self { shared, link: None }
    }

    /// Creates a route to an assigned worker, for a call that holds a permit.
    pub(in crate::pool) fn assigned(shared: &'a PoolShared<C>, worker: &WorkerHandle<C>) -> Self {
        Self { shared, link: Some(shared.links.get(worker.index)) }
    }
}

impl<C: Codec> CallTarget for Route<'_, C> {
    type Codec = C;
    const NEEDS_PERMIT: bool = true;

    #[inline]
    fn link(&self) -> &Link<C> {
        self.link.expect("the route has a worker")
    }

    #[inline]
    fn choose(&mut self) -> bool {
        if self.shared.contention.is_contended() {
            return false;
        }
        match self.shared.links.most_free(self.shared.max_in_flight) {
            Some(link) => {
                self.link = Some(link);
                true
            }
            None => false,
        }
    }
}
