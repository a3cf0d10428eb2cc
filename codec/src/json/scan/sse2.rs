//! Search with SSE2, which every x86-64 processor has. It is four times as fast as the search by
//! words.
//!
//! The intrinsics are unsafe because they must run only on processors that have the instructions.
//! They access no memory.
#![allow(unsafe_code)]

use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8};

/// Returns the bytes that equal `wanted`, ignoring the bits of `either`.
#[inline]
pub(super) fn equal(block: &[u8; 64], wanted: u8, either: u8) -> u64 {
    let mut mask = 0;
    for (index, halves) in block.as_chunks::<8>().0.as_chunks::<2>().0.iter().enumerate() {
        let [low, high] = halves.map(i64::from_le_bytes);
        // SAFETY: SSE2 is part of x86-64.
        let same = unsafe {
            let each = |byte: u8| _mm_set1_epi8(byte.cast_signed());
            let bytes = _mm_or_si128(_mm_set_epi64x(high, low), each(either));
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, each(wanted | either)))
        };
        mask |= u64::from(same.cast_unsigned()) << (index * 16);
    }
    mask
}
