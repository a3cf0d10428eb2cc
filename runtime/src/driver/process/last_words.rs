use isolated_workers_core::split_backtrace;

/// Maximum size of the standard error that is included in an error.
const MAX_BYTES: usize = 4 << 10;

/// Maximum size of a backtrace at the end. The message before it is more useful than its last
/// frames.
const MAX_BACKTRACE_BYTES: usize = MAX_BYTES / 2;

/// Returns the part of a standard error that is included in an error: its end, without the last
/// frames of a long backtrace.
pub(super) fn of(stderr: &str) -> &str {
    let mut words = stderr.trim_end();
    let (text, trace) = split_backtrace(words);
    if let Some(end) = end_of_line(trace, MAX_BACKTRACE_BYTES) {
        words = &words[..text.len() + end];
    }
    let surplus = words.len().saturating_sub(MAX_BYTES);
    let start = (surplus..).find(|&at| words.is_char_boundary(at)).unwrap_or(words.len());
    &words[start..]
}

/// Returns the last end of a line within `max` bytes. `None` if the text is not longer.
fn end_of_line(text: &str, max: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(..max)?;
    bytes.iter().rposition(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_before_a_long_backtrace_is_included() {
        let frames = "  12: f\n             at a.rs:1:2\n".repeat(1000);
        let before = "ü".repeat(MAX_BYTES);
        let stderr = format!("{before}\nno memory\nstack backtrace:\n{frames}note: some are omitted\n");
        let words = of(&stderr);
        assert!(words.contains("\nno memory\nstack backtrace:\n  12: f\n"), "{words}");
        assert!(words.len() <= MAX_BYTES && words.ends_with(['f', '2']), "{words}");
        let short = "no memory\nstack backtrace:\n   0: f\n";
        assert_eq!(of(short), short.trim_end());
    }

    #[test]
    fn the_end_starts_with_a_whole_character() {
        let words = format!("{}!", "ü".repeat(MAX_BYTES));
        assert_eq!(of(&words).len(), MAX_BYTES - 1);
        assert_eq!(of("\n"), "");
    }

    #[test]
    fn output_after_a_backtrace_is_the_end() {
        let stderr = format!("stack backtrace:\n{}goodbye", "  12: f\n".repeat(1000));
        assert!(of(&format!("failed\n{stderr}")).ends_with("f\ngoodbye"));
    }
}
