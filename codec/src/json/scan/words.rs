use super::BLOCK;

/// The bytes that are `wanted`, whatever they have for the bits of `either`: on every processor.
#[inline]
pub(super) fn equal(block: &[u8; BLOCK], wanted: u8, either: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    /// Brings the lowest bit of each of eight bytes into one byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;

    let each = |byte: u8| ONES * u64::from(byte);
    let mut mask = 0;
    for (index, word) in block.as_chunks::<8>().0.iter().enumerate() {
        let other = (u64::from_le_bytes(*word) | each(either)) ^ each(wanted | either);
        // The highest bit of each byte that has no other.
        let same = !(((other & LOW) + LOW) | other | LOW);
        mask |= ((same >> 7).wrapping_mul(GATHER) >> 56) << (index * 8);
    }
    mask
}
