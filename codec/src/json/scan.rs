//! Where an array or object ends: 64 bytes at a time, each of them a bit of a mask, so that no branch depends on a byte.
//! Strings in messages are short, and a branch at each of their ends is mostly foretold wrongly.

#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod words;

#[cfg(target_arch = "x86_64")]
use self::sse2::equal;
#[cfg(not(target_arch = "x86_64"))]
use self::words::equal;

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// The length of what `json` is the rest of, an array or object behind its first bracket. It takes no stack, however deep that
/// is; brackets of one shape close those of the other, too.
pub(super) fn nested(json: &[u8]) -> Option<usize> {
    let (mut depth, mut strings, mut at) = (1, Strings::default(), 0);
    let (blocks, rest) = json.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
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
        at += BLOCK;
    }
    None
}

/// What a block leaves open for the next one.
#[derive(Default)]
struct Strings {
    /// All of it, where a string goes on.
    is_inside: u64,
    /// The first byte, where what comes before is its backslash.
    is_escaped: u64,
}

impl Strings {
    /// The bytes of the next block that are in a string, of its quotes the first.
    fn next(&mut self, block: &[u8; BLOCK]) -> u64 {
        let mut quotes = equal(block, b'"', 0) & !self.is_escaped;
        let mut backslashes = equal(block, b'\\', 0) & !self.is_escaped;
        self.is_escaped = 0;
        while backslashes != 0 {
            let escaping = backslashes & backslashes.wrapping_neg();
            let escaped = escaping << 1;
            self.is_escaped = escaping >> (BLOCK - 1);
            quotes &= !escaped;
            backslashes &= !(escaping | escaped);
        }
        // Each bit becomes the parity of all up to it.
        let mut inside = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        inside ^= self.is_inside;
        self.is_inside = if inside >> (BLOCK - 1) == 1 { u64::MAX } else { 0 };
        inside
    }
}

/// The brackets that open something, and those that close it.
#[inline]
fn brackets(block: &[u8; BLOCK]) -> (u64, u64) {
    // Of either shape.
    let shape = b'{' ^ b'[';
    (equal(block, b'{', shape), equal(block, b'}', shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte by byte.
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

    /// Bytes of these, each as likely as it is there, by a generator that is always the same.
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
    fn an_end_is_where_it_is_byte_by_byte() {
        let mut ended = 0;
        for text in texts(b"{[}]\"\\aa{[}]").chain(texts(b"{[}\"\"\\aaaaaaaaaaaaaaaaaaaaa")) {
            assert_eq!(nested(&text), expected(&text), "{}", text.escape_ascii());
            ended += usize::from(nested(&text).is_some());
        }
        assert!((10_000..40_000).contains(&ended), "{ended} of 40,000 have an end");
    }

    #[test]
    fn an_end_is_found_at_each_place_of_a_block() {
        for length in 0..3 * BLOCK {
            let text = [&b"a".repeat(length)[..], b"}\"]"].concat();
            assert_eq!(nested(&text), Some(length + 1));
            let text = [&b"\\".repeat(length)[..], b"\"]\"}"].concat();
            assert_eq!(nested(&text), expected(&text), "{length} backslashes");
        }
    }

    #[test]
    fn every_processor_finds_the_same() {
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
