//! End of an array or object.
//!
//! The text is read in blocks of 64 bytes. Each byte of a block becomes one bit of a mask. No
//! branch depends on a single byte: strings in messages are short, so a branch at the end of each
//! would usually be mispredicted.

#[cfg(target_arch = "x86_64")]
use super::sse2::equal;
#[cfg(not(target_arch = "x86_64"))]
use super::words::equal;

/// Number of bytes that are read at once: the bits of a mask.
const BLOCK_BYTES: usize = 64;

/// Returns the length of the rest of an array or object, up to and including its last bracket.
///
/// `json` starts after the first bracket. The search uses no stack at any depth. Either kind of
/// bracket closes the other kind.
pub(in crate::json) fn nested_length(json: &[u8]) -> Option<usize> {
    let (mut depth, mut strings, mut at) = (1, StringMask::default(), 0);
    let (blocks, rest) = json.as_chunks::<BLOCK_BYTES>();
    let mut last = [0; BLOCK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        let outside = !strings.next(block);
        let (opening, closing) = brackets(block);
        let (opening, mut closing) = (opening & outside, closing & outside);
        let closed = closing.count_ones() as usize;
        while closing != 0 && closed >= depth {
            let next = closing & closing.wrapping_neg();
            closing ^= next;
            let opened = (opening & (next - 1)).count_ones() as usize;
            if depth + opened == closed - closing.count_ones() as usize {
                return Some(at + next.trailing_zeros() as usize + 1);
            }
        }
        depth = depth + opening.count_ones() as usize - closed;
        at += BLOCK_BYTES;
    }
    None
}

/// Finds the bytes of strings, block by block.
#[derive(Default)]
struct StringMask {
    /// All bits set if a string continues into the next block.
    is_inside: u64,
    /// First bit set if the next block starts with an escaped byte.
    is_escaped: u64,
}

impl StringMask {
    /// Returns the bytes of the next block that are in a string. This includes the opening quote
    /// but not the closing quote.
    fn next(&mut self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let mut quotes = equal(block, b'"', 0) & !self.is_escaped;
        let mut backslashes = equal(block, b'\\', 0) & !self.is_escaped;
        self.is_escaped = 0;
        while backslashes != 0 {
            let escaping = backslashes & backslashes.wrapping_neg();
            let escaped = escaping << 1;
            self.is_escaped = escaping >> (BLOCK_BYTES - 1);
            quotes &= !escaped;
            backslashes &= !(escaping | escaped);
        }
        // Sets each bit to the parity of all bits up to it.
        let mut inside = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        inside ^= self.is_inside;
        self.is_inside = if inside >> (BLOCK_BYTES - 1) == 1 { u64::MAX } else { 0 };
        inside
    }
}

/// Returns the opening and the closing brackets of a block.
#[inline]
fn brackets(block: &[u8; BLOCK_BYTES]) -> (u64, u64) {
    // The bit in which the brackets of objects and arrays differ.
    let kind = b'{' ^ b'[';
    (equal(block, b'{', kind), equal(block, b'}', kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::words;

    /// Reference implementation that reads byte by byte.
    fn expected(json: &[u8]) -> Option<usize> {
        let (mut depth, mut is_inside, mut is_escaped) = (1, false, false);
        for (at, byte) in json.iter().enumerate() {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                b'\\' => is_escaped = !was_escaped,
                b'"' => is_inside ^= !was_escaped,
                b'{' | b'[' if !is_inside => depth += 1,
                b'}' | b']' if !is_inside => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// Generates texts of these bytes with a fixed seed. A repeated byte is more likely.
    fn texts(alphabet: &'static [u8]) -> impl Iterator<Item = Vec<u8>> {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        (0..20_000).map(move |_| {
            let length = next() % 260;
            (0..length).map(|_| alphabet[next() % alphabet.len()]).collect()
        })
    }

    #[test]
    fn random_texts_end_where_the_reference_says() {
        let mut ended = 0;
        for text in texts(b"{[}]\"\\aa{[}]").chain(texts(b"{[}\"\"\\aaaaaaaaaaaaaaaaaaaaa")) {
            assert_eq!(nested_length(&text), expected(&text), "{}", text.escape_ascii());
            ended += usize::from(nested_length(&text).is_some());
        }
        assert!((10_000..40_000).contains(&ended), "{ended} of 40,000 texts have an end");
    }

    #[test]
    fn an_end_is_found_at_every_offset_in_a_block() {
        for length in 0..3 * BLOCK_BYTES {
            let text = [&b"a".repeat(length)[..], b"}\"]"].concat();
            assert_eq!(nested_length(&text), Some(length + 1));
            let text = [&b"\\".repeat(length)[..], b"\"]\"}"].concat();
            assert_eq!(nested_length(&text), expected(&text), "{length} backslashes");
        }
    }

    #[test]
    fn sse2_and_words_find_the_same_bytes() {
        for byte in 0..=u8::MAX {
            let block = std::array::from_fn(|index| byte.wrapping_mul(index as u8).wrapping_add(byte));
            for wanted in *b"\"\\{}" {
                for either in [0, b'{' ^ b'['] {
                    let expected = block.map(|byte| byte | either == wanted | either);
                    let bits = |mask: u64| std::array::from_fn(|bit| mask >> bit & 1 == 1);
                    assert_eq!(bits(equal(&block, wanted, either)), expected);
                    assert_eq!(bits(words::equal(&block, wanted, either)), expected);
                }
            }
        }
    }
}
