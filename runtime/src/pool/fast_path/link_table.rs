//! The links to workers, where a call finds one with a free seat without asking the scheduler.

use std::sync::atomic::{AtomicUsize, Ordering};

use isolated_workers_codec::Codec;

use crate::Link;

/// For each slot of the pool, the links that its workers have had. They stay where they are, so that a call can have one
/// without a count of those who do, and are used again for workers that come later.
pub(super) struct Links<C: Codec>(Box<[Slot<C>]>);

struct Slot<C: Codec> {
    links: boxcar::Vec<Link<C>>,
    /// That of the worker that came up last.
    latest: AtomicUsize,
}

impl<C: Codec> Links<C> {
    pub(super) fn new(slots: usize) -> Self {
        let slot = || Slot { links: boxcar::Vec::new(), latest: AtomicUsize::new(0) };
        Self(std::iter::repeat_with(slot).take(slots).collect())
    }

    /// A link for another worker in this slot, and its number there. Asked by one at a time.
    pub(super) fn unused(&self, slot: usize, make: impl FnOnce() -> Link<C>) -> (usize, Link<C>) {
        let links = &self.0[slot].links;
        let unused = links.iter().find(|(_, link)| link.is_unused());
        let at = unused.map_or_else(|| links.push(make()), |(at, _)| at);
        (at, self.get(slot, at).clone())
    }

    pub(super) fn get(&self, slot: usize, at: usize) -> &Link<C> {
        &self.0[slot].links[at]
    }

    /// Has calls find this worker.
    pub(super) fn show(&self, slot: usize, at: usize) {
        self.0[slot].latest.store(at, Ordering::Release);
    }

    /// The worker with the most free seats, of which nobody has more than `most`, and its slot. The seat may be gone when it
    /// is asked for.
    #[inline]
    pub(super) fn roomiest(&self, most: u32) -> Option<(usize, &Link<C>)> {
        let (mut found, mut free) = (None, 0);
        for (at, slot) in self.0.iter().enumerate() {
            let Some(link) = slot.links.get(slot.latest.load(Ordering::Acquire)) else { continue };
            let theirs = link.free_seats();
            if theirs > free {
                (found, free) = (Some((at, link)), theirs);
                if free == most {
                    break;
                }
            }
        }
        found
    }
}
