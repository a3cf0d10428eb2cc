//! Buffer that a value is being decoded from, so that bytes in the value can share its memory.
//!
//! The deserializer of a codec lends slices of the buffer, so the buffer bypasses the deserializer
//! in a thread-local. Only slices that lie within the buffer are shared. A nested decoding from
//! other memory is therefore not affected.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static CURRENT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Minimum size of bytes that are shared. Smaller bytes are copied: to share them would keep a read
/// buffer of 64 KiB alive.
const MIN_SHARED_BYTES: usize = 16 << 10;

/// Guard of the thread-local: restores the previous buffer when dropped.
pub(crate) struct CurrentBuffer(Option<Bytes>);

impl CurrentBuffer {
    /// Publishes `buffer` if it is large enough to have a part that is shared.
    #[inline]
    pub(crate) fn set(buffer: &Bytes) -> Option<Self> {
        (buffer.len() >= MIN_SHARED_BYTES).then(|| Self(CURRENT.replace(Some(buffer.clone()))))
    }
}

impl Drop for CurrentBuffer {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// Returns `part` as a share of the published buffer if it lies within the buffer and is large
/// enough.
#[inline]
pub(super) fn share(part: &[u8]) -> Option<Bytes> {
    if part.len() < MIN_SHARED_BYTES {
        return None;
    }
    let buffer = CURRENT.take()?;
    let (whole, range) = (buffer.as_ptr_range(), part.as_ptr_range());
    let shared = (whole.start <= range.start && range.end <= whole.end).then(|| buffer.slice_ref(part));
    CURRENT.set(Some(buffer));
    shared
}
