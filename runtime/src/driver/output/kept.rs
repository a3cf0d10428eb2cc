use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of a stream is kept, in bytes: a panic with a long backtrace fits in.
const KEPT: usize = 64 << 10;

/// The end of a stream, shared by the task that reads it and those who want to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    end: VecDeque<u8>,
    /// Whether anything was before that.
    is_cut: bool,
}

impl Kept {
    pub(super) fn push(&self, new: &[u8]) {
        let mut bytes = self.lock();
        bytes.end.extend(new);
        let surplus = bytes.end.len().saturating_sub(KEPT);
        bytes.is_cut |= surplus > 0;
        bytes.end.drain(..surplus);
    }

    /// All that is kept.
    pub(crate) fn all(&self) -> String {
        self.last(KEPT)
    }

    /// The last bytes of it as text, which begins with a whole character.
    pub(crate) fn last(&self, limit: usize) -> String {
        let bytes = self.lock();
        let from = bytes.end.len().saturating_sub(limit);
        let is_cut = bytes.is_cut || from > 0;
        let of_a_cut_character = |byte: &u8| is_cut && is_continuation(*byte);
        let end = bytes.end.range(from..);
        // A character has three such bytes at most; more of them are not UTF-8 and not ours to hide.
        let halves = end.clone().take(3).take_while(|byte| of_a_cut_character(byte)).count();
        let end: Vec<u8> = end.skip(halves).copied().collect();
        String::from_utf8_lossy(&end).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a byte is within a character of UTF-8 and does not begin it.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_begins_with_a_whole_character() {
        let kept = Kept::default();
        kept.push("ü".as_bytes());
        assert_eq!(kept.all(), "ü");
        for _ in 0..KEPT {
            kept.push("ü".as_bytes());
        }
        kept.push(b"!");
        let end = kept.all();
        assert_eq!((end.len(), end.trim_start_matches('ü')), (KEPT - 1, "!"));
        assert_eq!(kept.last(6), "üü!");
    }

    #[test]
    fn what_is_no_text_is_not_hidden() {
        let kept = Kept::default();
        kept.push(b"\xbf\xbfa");
        assert_eq!(kept.all(), "\u{fffd}\u{fffd}a");
    }

    #[test]
    fn one_piece_may_be_larger_than_what_is_kept() {
        let kept = Kept::default();
        kept.push(&[b'a'; KEPT + 10]);
        kept.push(&[b'b'; KEPT + 10]);
        assert_eq!(kept.all(), "b".repeat(KEPT));
    }
}
