use std::iter::once;

use isolated_workers_core::ExitReason;

/// The longest message that is told, in characters.
const LONGEST: usize = 2000;

/// What an abort ends a process with on Windows.
const FAST_FAIL: i32 = 0xC000_0409_u32.cast_signed();

/// The message and the place of the panic that a process has died of, from the end of its standard error.
///
/// A panic that was caught is found there, too. So the process must have ended as a panic ends one: with code 101, or by
/// an abort after which nothing else was printed.
pub(super) fn find(stderr: &str, reason: ExitReason) -> Option<String> {
    let is_abort = match reason {
        ExitReason::Exited(101) => false,
        ExitReason::Signalled { signal: 6, .. } | ExitReason::Exited(FAST_FAIL) => true,
        _ => return None,
    };
    let lines: Vec<&str> = stderr.lines().collect();
    // Each panic begins with such a line and goes on to the next.
    let mut panics = lines.chunk_by(|_, next| head(next).is_none()).rev().map_while(Panic::read);
    let last = panics.next()?;
    if is_abort && !last.was_the_last_word {
        return None;
    }
    // A panic that cannot unwind causes another, of the standard library: what is of interest is the first.
    let told = if last.is_another_ones() { panics.next().unwrap_or(last) } else { last };
    let message: String = told.message.chars().take(LONGEST).collect();
    Some(format!("{message}, at {}", told.place))
}

/// A panic as the standard library tells it.
struct Panic {
    message: String,
    place: String,
    was_the_last_word: bool,
}

impl Panic {
    /// From the line that begins it to the next such line, or the end of the stream.
    fn read(lines: &[&str]) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let head = head(first)?;
        let (message, place, after) = match head.strip_prefix('\'') {
            Some(quoted) => Self::quoted(quoted, rest)?,
            None => {
                let (message, after) = rest.split_at(end_of_message(rest));
                (message.join("\n"), head.trim_end_matches(':').to_owned(), after)
            }
        };
        let was_the_last_word =
            after.iter().all(|line| is_note(line) || line.is_empty() || line.starts_with(' '));
        Some(Self { message: message.trim_end().to_owned(), place, was_the_last_word })
    }

    /// As Rust 1.72 and older do it: `panicked at 'message', src/main.rs:7:5`. The message may have many lines.
    fn quoted<'a>(quoted: &str, rest: &'a [&'a str]) -> Option<(String, String, &'a [&'a str])> {
        let is_end = |line: &str| {
            line.rsplit_once("', ")
                .is_some_and(|(_, place)| place.ends_with(|end: char| end.is_ascii_digit()))
        };
        let lines = once(&quoted).chain(rest);
        let count = lines.clone().position(|line| is_end(line))?;
        let text = lines.take(count + 1).copied().collect::<Vec<_>>().join("\n");
        let (message, place) = text.rsplit_once("', ")?;
        Some((message.to_owned(), place.to_owned(), &rest[count..]))
    }

    fn is_another_ones(&self) -> bool {
        self.message.starts_with("panic in a function that cannot unwind")
            || self.message.starts_with("panic in a destructor during cleanup")
    }
}

/// What a line says after "thread 'main' (17) panicked at ", where it does.
fn head(line: &str) -> Option<&str> {
    Some(line.split_once("thread '")?.1.split_once(" panicked at ")?.1)
}

/// How many lines the message has that these lines begin with. Where no note ends it, what follows may be of anybody, but
/// for lines that are indented, as those of a failed assertion are.
fn end_of_message(lines: &[&str]) -> usize {
    let note = lines.iter().position(|line| is_note(line));
    let indented = lines.iter().skip(1).take_while(|line| line.starts_with(' ')).count();
    note.unwrap_or(1 + indented).min(lines.len())
}

/// Whether a line is one of those that the standard library prints after the message of a panic.
fn is_note(line: &str) -> bool {
    const NOTES: [&str; 4] =
        ["note: ", "stack backtrace:", "thread caused non-unwinding panic", "fatal runtime error"];
    NOTES.iter().any(|note| line.starts_with(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: ExitReason = ExitReason::Exited(101);
    const ABORT: ExitReason = ExitReason::Signalled { signal: 6, core_dumped: false };

    fn finds(stderr: &str, reason: ExitReason, panic: &str) {
        assert_eq!(find(stderr, reason).as_deref(), Some(panic), "{stderr}");
    }

    #[test]
    fn every_form_of_a_panic_is_read() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        for head in [
            "thread 'main' panicked",
            "\nthread 'main' (4711) panicked",
            "no newlinethread '<unnamed>' panicked",
        ] {
            for reason in [EXIT, ABORT, ExitReason::Exited(FAST_FAIL)] {
                let new = format!("before\n{head} at src/main.rs:7:5:\nout of cheese\n{note}");
                finds(&new, reason, "out of cheese, at src/main.rs:7:5");
                let old = format!("before\n{head} at 'out of cheese', src/main.rs:7:5\n{note}");
                finds(&old, reason, "out of cheese, at src/main.rs:7:5");
            }
        }
        finds("thread 'main' panicked at src/main.rs:7:5:\r\nno\r\n", EXIT, "no, at src/main.rs:7:5");
    }

    #[test]
    fn a_message_may_have_many_lines() {
        let new =
            "thread 'a' panicked at src/a.rs:1:2:\nassertion `left == right` failed\n  left: 1\n right: 2\n";
        let panic = "assertion `left == right` failed\n  left: 1\n right: 2, at src/a.rs:1:2";
        finds(new, EXIT, panic);
        finds(&format!("{new}something else\n"), EXIT, panic);
        let old = "thread 'a' panicked at 'assertion failed: `(left == right)`\n  left: `1`,\n right: `2`', src/a.rs:1:2\n";
        finds(old, EXIT, "assertion failed: `(left == right)`\n  left: `1`,\n right: `2`, at src/a.rs:1:2");
        let delimited =
            "thread 'a' panicked at a.rs:1:2:\nno luck\n\nCaused by:\n    none\nstack backtrace:\n   0: f\n";
        finds(delimited, ABORT, "no luck\n\nCaused by:\n    none, at a.rs:1:2");
    }

    #[test]
    fn the_last_panic_is_told_and_of_a_chain_the_one_that_began_it() {
        let stderr = "thread 'a' panicked at a.rs:1:1:\nfirst\nthread 'a' panicked at b.rs:2:2:\nsecond\n\
                      thread 'a' panicked at library/core/src/panicking.rs:230:5:\n\
                      panic in a function that cannot unwind\nstack backtrace:\n   0: f\n          at f.rs:1:1\n\
                      thread caused non-unwinding panic. aborting.\n";
        finds(stderr, ABORT, "second, at b.rs:2:2");
    }

    #[test]
    fn a_process_that_died_of_something_else_has_no_panic() {
        let stderr = "thread 'a' panicked at a.rs:1:1:\nwas caught\nnote: run with\n";
        for reason in [ExitReason::Exited(1), ExitReason::Signalled { signal: 9, core_dumped: false }] {
            assert_eq!(find(stderr, reason), None);
        }
        assert_eq!(
            find(&format!("{stderr}a line of its own\n"), ABORT),
            None,
            "it said something after the panic"
        );
        assert_eq!(find("no panic here", EXIT), None);
        for half in ["thread 'a' panicked at ", "thread 'a' panicked at 'never ends\n more"] {
            let _ = find(half, EXIT);
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let stderr = format!("thread 'a' panicked at a.rs:1:1:\n{}\n", "ü".repeat(9000));
        finds(&stderr, EXIT, &format!("{}, at a.rs:1:1", "ü".repeat(LONGEST)));
    }
}
