/// Finds the first byte that ends or interrupts a plain string: a quote, a backslash or a control
/// character, which JSON strings may not contain.
///
/// It checks eight bytes at a time: a larger step takes longer to set up than most strings are
/// long.
#[inline]
pub(in crate::json) fn special_byte(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    // Sets the highest bit of each byte below `limit`, and possibly of bytes after the first of
    // those.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = equal(b'"') | equal(b'\\') | below(word, u64::from(b' '));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    Some(words.len() * 8 + found)
}
