use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Size of a tail. A panic with a long backtrace fits.
const TAIL_BYTES: usize = 64 << 10;

/// Tail of a stream, shared by the task that reads it and its observers.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutputTail(Arc<Mutex<TailBytes>>);

#[derive(Debug, Default)]
struct TailBytes {
    end: VecDeque<u8>,
    /// `true` if earlier bytes were dropped.
    is_cut: bool,
}

impl OutputTail {
    pub(super) fn push(&self, new: &[u8]) {
        let mut bytes = self.lock();
        bytes.end.extend(new);
        let surplus = bytes.end.len().saturating_sub(TAIL_BYTES);
        bytes.is_cut |= surplus > 0;
        bytes.end.drain(..surplus);
    }

    /// The tail as text that starts with a whole character.
    pub(crate) fn text(&self) -> String {
        let bytes = self.lock();
        let of_a_cut_character = |byte: &u8| bytes.is_cut && is_continuation(*byte);
        // A character has at most three continuation bytes. Further ones are not UTF-8 and stay
        // visible.
        let halves = bytes.end.iter().take(3).take_while(|byte| of_a_cut_character(byte)).count();
        let end: Vec<u8> = bytes.end.range(halves..).copied().collect();
        String::from_utf8_lossy(&end).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, TailBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns `true` for a byte inside a UTF-8 character, other than its first.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_starts_with_a_whole_character() {
        let kept = OutputTail::default();
        kept.push("ü".as_bytes());
        assert_eq!(kept.text(), "ü");
        for _ in 0..TAIL_BYTES {
            kept.push("ü".as_bytes());
        }
        kept.push(b"!");
        let end = kept.text();
        assert_eq!((end.len(), end.trim_start_matches('ü')), (TAIL_BYTES - 1, "!"));
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_visible() {
        let kept = OutputTail::default();
        kept.push(b"\xbf\xbfa");
        assert_eq!(kept.text(), "\u{fffd}\u{fffd}a");
    }

    #[test]
    fn a_write_larger_than_the_tail_keeps_its_end() {
        let kept = OutputTail::default();
        kept.push(&[b'a'; TAIL_BYTES + 10]);
        kept.push(&[b'b'; TAIL_BYTES + 10]);
        assert_eq!(kept.text(), "b".repeat(TAIL_BYTES));
    }
}
