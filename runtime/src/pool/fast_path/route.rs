//! A seat at a worker, as the scheduler sees it and as a call does.

use isolated_workers_codec::Codec;

use super::scheduler::{MemberId, Seats};
use super::shared::Shared;
use crate::Link;
use crate::connection::Linked;

/// A worker, as the scheduler knows it.
pub(super) struct Peer<C: Codec> {
    pub(super) link: Link<C>,
    /// The number of its link in its slot.
    pub(super) at: usize,
    pub(super) pid: Option<u32>,
}

impl<C: Codec> Clone for Peer<C> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone(), ..*self }
    }
}

impl<C: Codec> Seats for Peer<C> {
    fn open(&self, most: u32, calls_end: u64) {
        self.link.open_seats(most, calls_end);
    }

    fn close(&self) {
        self.link.close_seats();
    }

    fn take(&self) -> bool {
        self.link.take_seat()
    }

    fn give_back(&self) {
        self.link.give_seat_back();
    }

    fn free(&self) -> u32 {
        self.link.free_seats()
    }

    fn counts(&self) -> (bool, u32, u64) {
        self.link.seats()
    }
}

/// Where a call finds its worker: one that it chooses itself, or the one that the scheduler has chosen.
pub(super) struct Seat<'a, C: Codec> {
    shared: &'a Shared<C>,
    slot: usize,
    link: Option<&'a Link<C>>,
}

impl<'a, C: Codec> Seat<'a, C> {
    /// Wherever there is one.
    #[inline]
    pub(super) fn any(shared: &'a Shared<C>) -> Self {
        Self { shared, slot: 0, link: None }
    }

    /// One that was taken for a call, and which that gives back.
    pub(super) fn of(shared: &'a Shared<C>, id: MemberId, peer: Peer<C>) -> Self {
        Self { shared, slot: id.slot, link: Some(shared.links.get(id.slot, peer.at)) }
    }

    /// The link to the worker that was chosen.
    #[inline]
    pub(super) fn chosen(&self) -> &'a Link<C> {
        self.link.expect("a worker was chosen")
    }
}

impl<C: Codec> Linked for Seat<'_, C> {
    type Codec = C;
    const HAS_SEATS: bool = true;

    #[inline]
    fn link(&self) -> &Link<C> {
        self.chosen()
    }

    #[inline]
    fn choose(&mut self) -> bool {
        if self.shared.gate.is_crowded() {
            return false;
        }
        match self.shared.links.roomiest(self.shared.seats) {
            Some((slot, link)) => {
                (self.slot, self.link) = (slot, Some(link));
                true
            }
            None => false,
        }
    }

    #[inline]
    fn vacated(&self, is_due: bool) {
        if is_due || self.shared.gate.is_crowded() {
            self.shared.vacated(self.slot);
        }
    }
}
