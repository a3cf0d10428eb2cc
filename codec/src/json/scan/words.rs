//! Search by words of eight bytes, for processors without SSE2.

/// Returns the bytes that equal `wanted`, ignoring the bits of `either`.
#[inline]
pub(super) fn equal(block: &[u8; 64], wanted: u8, either: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    /// Gathers the lowest bits of eight bytes into one byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;

    let each = |byte: u8| ONES * u64::from(byte);
    let mut mask = 0;
    for (index, word) in block.as_chunks::<8>().0.iter().enumerate() {
        let other = (u64::from_le_bytes(*word) | each(either)) ^ each(wanted | either);
        // Sets the highest bit of each byte that does not differ.
        let same = !(((other & LOW) + LOW) | other | LOW);
        mask |= ((same >> 7).wrapping_mul(GATHER) >> 56) << (index * 8);
    }
    mask
}
