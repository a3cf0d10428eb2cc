//! Links to the workers of a pool, readable without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_codec::Codec;
use isolated_workers_core::Error;

use crate::Link;
use crate::connection::Availability;

/// For each slot of the pool, the links that its workers have had.
///
/// Links never move, so a call can borrow one without counting references. A link is reused for a
/// later worker when nothing else refers to it.
pub(in crate::pool) struct LinkTable<C: Codec>(Box<[SlotLinks<C>]>);

struct SlotLinks<C: Codec> {
    links: boxcar::Vec<Link<C>>,
    /// Index of the link of the worker that came up last.
    latest: AtomicUsize,
}

impl<C: Codec> LinkTable<C> {
    pub(in crate::pool) fn new(slots: usize) -> Self {
        let slot = || SlotLinks { links: boxcar::Vec::new(), latest: AtomicUsize::new(0) };
        Self(std::iter::repeat_with(slot).take(slots).collect())
    }

    /// Returns a link for another worker in this slot, and its index.
    ///
    /// Only the pool's supervisor calls this method, so calls never overlap.
    pub(in crate::pool) fn unused(&self, slot: usize, make: impl FnOnce() -> Link<C>) -> (usize, Link<C>) {
        let links = &self.0[slot].links;
        let unused = links.iter().find(|(_, link)| link.is_unused());
        let index = unused.map_or_else(|| links.push(make()), |(index, _)| index);
        (index, self.get(slot, index).clone())
    }

    pub(in crate::pool) fn get(&self, slot: usize, index: usize) -> &Link<C> {
        &self.0[slot].links[index]
    }

    /// Makes later calls in this slot use this link.
    pub(in crate::pool) fn set_latest(&self, slot: usize, index: usize) {
        self.0[slot].latest.store(index, Ordering::Release);
    }

    /// Ends the calls in flight in all workers. `error` creates the error of a call from the name
    /// of its message.
    pub(in crate::pool) fn fail(&self, error: impl Fn(&str) -> Error) {
        let links = self.0.iter().flat_map(|slot| slot.links.iter());
        links.for_each(|(_, link)| link.fail(Availability::Closed, &error));
    }

    /// Returns `true` if requests were returned unsent, and their calls were not made again.
    pub(in crate::pool) fn have_unsent(&self) -> bool {
        self.0.iter().flat_map(|slot| slot.links.iter()).any(|(_, link)| link.has_unsent())
    }

    /// Returns the worker with the most free permits.
    ///
    /// The search ends early at a worker with `max_free` free permits, because none has more. The
    /// permit may be taken by another call before this one acquires it.
    #[inline]
    pub(super) fn most_free(&self, max_free: u32) -> Option<&Link<C>> {
        let (mut found, mut most) = (None, 0);
        for slot in &self.0 {
            let Some(link) = slot.links.get(slot.latest.load(Ordering::Acquire)) else { continue };
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
