//! `Bytes` that are being serialized, for a writer that can take them without a copy.
//!
//! The serializer of a codec gets a slice, so the `Bytes` bypass the serializer in a thread-local.
//! A writer takes them only if its slice is the same memory. An entry that no writer takes, or that
//! a nested encoding sees, is therefore harmless.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static CURRENT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Minimum size of `Bytes` that become a piece of a body. Below this size a copy is cheaper than
/// another piece of a vectored write.
pub(crate) const MIN_PIECE_BYTES: usize = 64 << 10;

/// Guard of the thread-local: clears it when dropped.
pub(super) struct CurrentBytes(());

impl CurrentBytes {
    /// Publishes `bytes` if they are large enough.
    #[inline]
    pub(super) fn set(bytes: &Bytes) -> Option<Self> {
        if bytes.len() < MIN_PIECE_BYTES {
            return None;
        }
        CURRENT.set(Some(bytes.clone()));
        Some(Self(()))
    }
}

impl Drop for CurrentBytes {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Takes the published `Bytes` if they are exactly the memory of `slice`.
pub(crate) fn take(slice: &[u8]) -> Option<Bytes> {
    let current = CURRENT.take()?;
    // `current` keeps its memory alive, so nothing else can be at this address.
    if std::ptr::eq(&*current, slice) {
        return Some(current);
    }
    CURRENT.set(Some(current));
    None
}
