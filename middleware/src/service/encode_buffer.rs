//! Memory that payloads are encoded into, reused so that not every payload allocates.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use isolated_workers_core::Body;

thread_local! {
    // Boxed, because it is taken out and put back for each payload.
    static ENCODE_BUFFER: Cell<Option<Box<EncodeBuffer>>> = const { Cell::new(None) };
}

/// Size of the blocks that small payloads are cut from. Larger payloads have memory of their own.
const BLOCK_BYTES: usize = 8 << 10;

/// Minimum free space of a block. With less, a new block is started.
const MIN_ROOM_BYTES: usize = 256;

/// Size up to which the memory of a large payload is kept for reuse.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Number of small payloads in a row after which the memory of a large one is freed.
const MAX_SMALL_PAYLOADS: u32 = 16;

#[derive(Default)]
struct EncodeBuffer {
    /// Unused rest of a block.
    block: BytesMut,
    /// Memory of the last large payload. It is kept because fresh memory from the system is slow to
    /// access for the first time.
    large: Option<LargeBuffer>,
}

struct LargeBuffer {
    memory: BytesMut,
    size: usize,
    small_payloads: u32,
}

/// Fills the empty `body` with the bytes that `encode` appends, and returns the result of `encode`.
/// `encode` may call this function again.
pub(crate) fn fill<T>(body: &mut Body, encode: impl FnOnce(&mut BytesMut) -> T) -> T {
    // A thread that ends may have dropped its buffer.
    let mut buffer = ENCODE_BUFFER.try_with(Cell::take).ok().flatten().unwrap_or_default();
    // A large payload is usually followed by another. It reuses the memory if the previous payload
    // was dropped.
    let result = match buffer.large.as_mut().and_then(LargeBuffer::ready) {
        Some(large) => {
            let result = encode(&mut large.memory);
            *body = large.take_out(&mut buffer.block).into();
            result
        }
        None => {
            reserve(&mut buffer.block);
            let result = encode(&mut buffer.block);
            if body.fill(&buffer.block) {
                buffer.block.clear();
                keep(buffer);
                return result;
            }
            let bytes = buffer.block.split().freeze();
            if bytes.len() > BLOCK_BYTES {
                let memory = std::mem::take(&mut buffer.block);
                buffer.large = Some(LargeBuffer { memory, size: bytes.len(), small_payloads: 0 });
            }
            *body = bytes.into();
            result
        }
    };
    buffer.large = buffer
        .large
        .take()
        .filter(|large| large.size <= MAX_KEPT_BYTES && large.small_payloads < MAX_SMALL_PAYLOADS);
    keep(buffer);
    result
}

/// Keeps the buffer for the next payload, unless the thread is ending.
fn keep(buffer: Box<EncodeBuffer>) {
    let _ = ENCODE_BUFFER.try_with(|kept| kept.set(Some(buffer)));
}

impl LargeBuffer {
    /// Returns `None` if a payload still uses the memory.
    fn ready(&mut self) -> Option<&mut Self> {
        self.memory.try_reclaim(self.size).then_some(self)
    }

    /// Takes out the written bytes. A small payload is copied to the block.
    fn take_out(&mut self, block: &mut BytesMut) -> Bytes {
        let size = self.memory.len();
        if size > BLOCK_BYTES {
            (self.size, self.small_payloads) = (self.size.max(size), 0);
            return self.memory.split().freeze();
        }
        self.small_payloads += 1;
        reserve(block);
        block.extend_from_slice(&self.memory);
        self.memory.clear();
        block.split().freeze()
    }
}

fn reserve(block: &mut BytesMut) {
    if block.capacity() < MIN_ROOM_BYTES {
        // This reuses the block if all of its payloads were dropped.
        block.reserve(BLOCK_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(size: usize) -> Bytes {
        let mut body = Body::empty();
        fill(&mut body, |out| out.resize(out.len() + size, 7));
        body.into_bytes()
    }

    #[test]
    fn the_memory_of_a_dropped_large_payload_is_reused() {
        let first = filled(100_000);
        let address = first.as_ptr();
        let second = filled(100_000);
        assert_ne!(second.as_ptr(), address, "the first payload still uses its memory");
        drop((first, second));
        let third = filled(90_000);
        let address = third.as_ptr();
        drop(third);
        let fourth = filled(80_000);
        assert_eq!(fourth.as_ptr(), address);
        assert!(fourth.iter().all(|byte| *byte == 7) && fourth.len() == 80_000);
    }

    #[test]
    fn small_payloads_share_a_block_and_free_the_memory_of_a_large_one() {
        drop(filled(100_000));
        for _ in 0..MAX_SMALL_PAYLOADS {
            let (one, other) = (filled(90), filled(90));
            assert_eq!((one.len(), other.len()), (90, 90));
            assert_eq!(one.as_ptr().wrapping_add(90), other.as_ptr());
        }
        let buffer = ENCODE_BUFFER.take().unwrap();
        assert!(buffer.large.is_none());
    }

    #[test]
    fn nested_encoding_does_not_mix_payloads() {
        let mut outer = Body::empty();
        let inner = fill(&mut outer, |out| {
            out.extend_from_slice(b"outer");
            let inner = filled(3);
            out.extend_from_slice(b"more");
            inner
        });
        assert_eq!((outer.as_bytes(), &*inner), (&b"outermore"[..], &[7; 3][..]));
    }
}
