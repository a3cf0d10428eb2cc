//! Links to the workers of a pool, readable without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;

use crate::Link;
use crate::connection::Availability;

/// Links to the workers that a pool has and has had, and for each slot the link of its worker.
///
/// Links never move, so a call can borrow one without counting references. A link is reused for a
/// later worker when nothing else refers to it.
pub(in crate::pool) struct LinkTable<C: Codec> {
    links: boxcar::Vec<Link<C>>,
    /// For each slot, one more than the index of the link of its worker, or 0 if it has had none.
    slots: Box<[AtomicUsize]>,
}

impl<C: Codec> LinkTable<C> {
    pub(in crate::pool) fn new(slots: usize) -> Self {
        let slots = std::iter::repeat_with(AtomicUsize::default).take(slots).collect();
        Self { links: boxcar::Vec::new(), slots }
    }

    /// Returns a link for another worker, and its index.
    ///
    /// Only the pool's supervisor calls this method, so calls never overlap.
    pub(in crate::pool) fn unused(&self, make: impl FnOnce() -> Link<C>) -> (usize, Link<C>) {
        let unused = self.links.iter().find(|(_, link)| link.is_unused());
        let index = unused.map_or_else(|| self.links.push(make()), |(index, _)| index);
        (index, self.get(index).clone())
    }

    pub(in crate::pool) fn get(&self, index: usize) -> &Link<C> {
        &self.links[index]
    }

    /// Publishes the link of the worker in this slot to later calls.
    pub(in crate::pool) fn set_worker(&self, slot: usize, index: usize) {
        self.slots[slot].store(index + 1, Ordering::Release);
    }

    /// Ends the calls in flight in all workers. `error` creates the error of a call from the name
    /// of its message.
    pub(in crate::pool) fn fail(&self, error: impl Fn(&str) -> Error) {
        self.links.iter().for_each(|(_, link)| link.fail(Availability::Closed, &error));
    }

    /// Returns `true` if requests were returned unsent, and their calls were not made again.
    pub(in crate::pool) fn have_unsent(&self) -> bool {
        self.links.iter().any(|(_, link)| link.has_unsent())
    }

    /// Returns the worker with the most free permits.
    ///
    /// The search ends early at a worker with `max_free` free permits, because none has more. The
    /// permit may be taken by another call before this one acquires it.
    #[inline]
    pub(super) fn most_free(&self, max_free: u32) -> Option<&Link<C>> {
        let (mut found, mut most) = (None, 0);
        for slot in &self.slots {
            let Some(index) = slot.load(Ordering::Acquire).checked_sub(1) else { continue };
            let Some(link) = self.links.get(index) else { continue };
            let free = link.available_permits();
            if free > most {
                (found, most) = (Some(link), free);
                if most == max_free {
                    break;
                }
            }
        }
        found
    }
}
