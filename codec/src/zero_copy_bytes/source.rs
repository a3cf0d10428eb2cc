//! The buffer that is being decoded from, for bytes that can be a part of it.
//!
//! It passes by the codec's deserializer, which lends slices of it, in a thread-local. Only what lies within it is
//! shared, so that decoding from something else within it finds nothing wrong.

use std::cell::Cell;

use bytes::Bytes;

thread_local! {
    static SOURCE: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Smaller bytes are copied: who keeps them would keep a read buffer of 64 KiB.
const SMALLEST: usize = 16 << 10;

/// Has parts of `source` be shared as long as the value is there.
pub(crate) struct Lent(Option<Bytes>);

impl Lent {
    /// `None` where there is nothing in it to share.
    #[inline]
    pub(crate) fn new(source: &Bytes) -> Option<Self> {
        (source.len() >= SMALLEST).then(|| Self(SOURCE.replace(Some(source.clone()))))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        SOURCE.set(self.0.take());
    }
}

/// `part` as a part of the source, where it is one and large.
#[inline]
pub(super) fn share(part: &[u8]) -> Option<Bytes> {
    if part.len() < SMALLEST {
        return None;
    }
    let source = SOURCE.take()?;
    let (whole, range) = (source.as_ptr_range(), part.as_ptr_range());
    let shared = (whole.start <= range.start && range.end <= whole.end).then(|| source.slice_ref(part));
    SOURCE.set(Some(source));
    shared
}
