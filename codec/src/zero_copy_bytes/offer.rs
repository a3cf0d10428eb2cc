//! The bytes that are being encoded, for whoever can take them as they are.
//!
//! They pass by the codec's serializer, which is given a slice, in a thread-local. Nothing can be taken that is not the
//! very memory of the slice, so an offer that nobody takes, or that another encoding within this one sees, is harmless.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static OFFER: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Smaller ones nobody takes.
const SMALLEST: usize = 64 << 10;

/// An offer, until it is dropped.
pub(super) struct Offer(());

/// Offers `bytes` where they are large enough.
#[inline]
pub(super) fn make(bytes: &Bytes) -> Option<Offer> {
    if bytes.len() < SMALLEST {
        return None;
    }
    OFFER.set(Some(bytes.clone()));
    Some(Offer(()))
}

impl Drop for Offer {
    fn drop(&mut self) {
        OFFER.set(None);
    }
}

/// Takes what is offered, where that is exactly `slice`.
pub(crate) fn take(slice: &[u8]) -> Option<Bytes> {
    let offered = OFFER.take()?;
    // The offer holds the memory, so that nothing else can be at this address.
    if std::ptr::eq(&*offered, slice) {
        return Some(offered);
    }
    OFFER.set(Some(offered));
    None
}
