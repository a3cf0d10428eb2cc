//! The memory that payloads are encoded into, so that not each of them is an allocation.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use isolated_workers_core::Body;

thread_local! {
    // In a box, because it is taken out and put back for each payload.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// The size of a block in bytes that small payloads are cut from. One that is larger has memory of its own.
const BLOCK: usize = 8 << 10;

/// With less than this left, a block is not begun on.
const ROOM: usize = 256;

/// The memory of a larger payload than this is not kept, in bytes.
const MOST_KEPT: usize = 16 << 20;

/// How many small payloads give the memory of a large one back.
const SMALL_ONES: u32 = 16;

#[derive(Default)]
struct Scratch {
    /// What is left of a block.
    block: BytesMut,
    /// The memory of the last large payload, because that of the system is slow to touch first.
    large: Option<Large>,
}

struct Large {
    memory: BytesMut,
    size: usize,
    small_ones: u32,
}

/// Makes the empty `body` one of what `encode` appends, which may encode something else in its turn, and returns its result.
pub(crate) fn fill<T>(body: &mut Body, encode: impl FnOnce(&mut BytesMut) -> T) -> T {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    // After a large payload the next is one, too, as a rule. It has the memory if the last is gone.
    let result = match scratch.large.as_mut().and_then(Large::ready) {
        Some(large) => {
            let result = encode(&mut large.memory);
            *body = large.take_out(&mut scratch.block).into();
            result
        }
        None => {
            reserve(&mut scratch.block);
            let result = encode(&mut scratch.block);
            if body.fill(&scratch.block) {
                scratch.block.clear();
                SCRATCH.set(Some(scratch));
                return result;
            }
            let bytes = scratch.block.split().freeze();
            if bytes.len() > BLOCK {
                let memory = std::mem::take(&mut scratch.block);
                scratch.large = Some(Large { memory, size: bytes.len(), small_ones: 0 });
            }
            *body = bytes.into();
            result
        }
    };
    scratch.large =
        scratch.large.take().filter(|large| large.size <= MOST_KEPT && large.small_ones < SMALL_ONES);
    SCRATCH.set(Some(scratch));
    result
}

impl Large {
    /// `None` where a payload is still in it.
    fn ready(&mut self) -> Option<&mut Self> {
        self.memory.try_reclaim(self.size).then_some(self)
    }

    /// What has been written here, which moves to the block where it is small.
    fn take_out(&mut self, block: &mut BytesMut) -> Bytes {
        let size = self.memory.len();
        if size > BLOCK {
            (self.size, self.small_ones) = (self.size.max(size), 0);
            return self.memory.split().freeze();
        }
        self.small_ones += 1;
        reserve(block);
        block.extend_from_slice(&self.memory);
        self.memory.clear();
        block.split().freeze()
    }
}

fn reserve(block: &mut BytesMut) {
    if block.capacity() < ROOM {
        // Takes the block over again where no payload in it is left.
        block.reserve(BLOCK);
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
    fn the_memory_of_a_large_payload_is_used_again_when_it_is_gone() {
        let first = filled(100_000);
        let place = first.as_ptr();
        let second = filled(100_000);
        assert_ne!(second.as_ptr(), place, "the first is still there");
        drop((first, second));
        let third = filled(90_000);
        let place = third.as_ptr();
        drop(third);
        let fourth = filled(80_000);
        assert_eq!(fourth.as_ptr(), place);
        assert!(fourth.iter().all(|byte| *byte == 7) && fourth.len() == 80_000);
    }

    #[test]
    fn small_payloads_share_a_block_also_after_a_large_one_and_give_its_memory_back() {
        drop(filled(100_000));
        for _ in 0..SMALL_ONES {
            let (one, other) = (filled(90), filled(90));
            assert_eq!((one.len(), other.len()), (90, 90));
            assert_eq!(one.as_ptr().wrapping_add(90), other.as_ptr());
        }
        let scratch = SCRATCH.take().unwrap();
        assert!(scratch.large.is_none());
    }

    #[test]
    fn what_is_encoded_within_another_payload_is_no_part_of_it() {
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
