use std::iter::once;

use isolated_workers_core::ExitReason;
use isolated_workers_middleware::panic_location;

/// Number of characters after which a panic message is cut.
const MAX_MESSAGE_CHARS: usize = 2000;

/// Exit status of an aborted process on Windows.
const FAST_FAIL_STATUS: i32 = 0xC000_0409_u32.cast_signed();

/// Extracts the message and location of a fatal panic from the tail of a standard error.
///
/// A caught panic appears there as well. Of those that made a call fail, the worker says so in a
/// note. For others, the process must have exited as a panic makes it exit: with code 101, or by an
/// abort without later output.
pub(super) fn find(stderr: &str, reason: ExitReason) -> Option<String> {
    let is_abort = match reason {
        ExitReason::Exited(101) => false,
        ExitReason::Signaled { signal: 6, .. } | ExitReason::Exited(FAST_FAIL_STATUS) => true,
        _ => return None,
    };
    let lines: Vec<&str> = stderr.lines().collect();
    let mut reports: Vec<PanicReport> = Vec::new();
    // A report extends from its head line to the next head line.
    for lines in lines.chunk_by(|_, next| head(next).is_none()) {
        reports.extend(PanicReport::parse(lines));
        // A note belongs to the nearest report before it that has no note yet.
        for location in lines.iter().filter_map(|line| panic_location::noted(line)) {
            let noted = reports.iter_mut().rfind(|report| !report.is_caught && report.location == location);
            if let Some(report) = noted {
                report.is_caught = true;
            }
        }
    }
    let mut fatal = reports.iter().rev().skip_while(|report| !is_abort && report.is_caught);
    let last = fatal.next().filter(|report| !report.is_caught)?;
    if is_abort && !last.is_last_output {
        return None;
    }
    // A panic that cannot unwind causes a second one in the standard library. The first one is the
    // cause.
    let before = fatal.next().filter(|report| !report.is_caught);
    let cause = if last.is_secondary() { before.unwrap_or(last) } else { last };
    let message: String = cause.message.chars().take(MAX_MESSAGE_CHARS).collect();
    Some(format!("{message}, at {}", cause.location))
}

/// Panic report as the standard library prints it.
struct PanicReport {
    message: String,
    location: String,
    is_last_output: bool,
    /// Set by a note of the worker.
    is_caught: bool,
}

impl PanicReport {
    /// Parses the lines from a head line to the next one, or to the end of the stream.
    fn parse(lines: &[&str]) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let head = head(first)?;
        let (message, location, after) = match head.strip_prefix('\'') {
            Some(quoted) => Self::quoted(quoted, rest)?,
            None => {
                let (message, after) = rest.split_at(end_of_message(rest));
                (message.join("\n"), head.trim_end_matches(':').to_owned(), after)
            }
        };
        let is_last_output =
            after.iter().all(|line| is_note(line) || line.is_empty() || line.starts_with(' '));
        Some(Self { message: message.trim_end().to_owned(), location, is_last_output, is_caught: false })
    }

    /// Parses the format of Rust 1.72 and older: `panicked at 'message', src/main.rs:7:5`. The
    /// message may span lines.
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

    fn is_secondary(&self) -> bool {
        self.message.starts_with("panic in a function that cannot unwind")
            || self.message.starts_with("panic in a destructor during cleanup")
    }
}

/// Text of a head line after "thread 'main' (17) panicked at ".
fn head(line: &str) -> Option<&str> {
    Some(line.split_once("thread '")?.1.split_once(" panicked at ")?.1)
}

/// Number of lines of the message at the start of `lines`. If no other report ends the message,
/// only indented lines belong to it, such as those of a failed assertion. Other lines may be
/// unrelated output.
fn end_of_message(lines: &[&str]) -> usize {
    let note = lines.iter().position(|line| is_note(line) || line.ends_with(" has overflowed its stack"));
    let indented = lines.iter().skip(1).take_while(|line| line.starts_with(' ')).count();
    note.unwrap_or(1 + indented).min(lines.len())
}

/// Returns `true` for a line that the standard library prints after a panic message.
fn is_note(line: &str) -> bool {
    const NOTES: [&str; 4] =
        ["note: ", "stack backtrace:", "thread caused non-unwinding panic", "fatal runtime error"];
    NOTES.iter().any(|note| line.starts_with(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: ExitReason = ExitReason::Exited(101);
    const ABORT: ExitReason = ExitReason::Signaled { signal: 6, core_dumped: false };

    fn assert_found(stderr: &str, reason: ExitReason, panic: &str) {
        assert_eq!(find(stderr, reason).as_deref(), Some(panic), "{stderr}");
    }

    #[test]
    fn every_format_of_a_panic_report_is_parsed() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        for head in [
            "thread 'main' panicked",
            "\nthread 'main' (4711) panicked",
            "no newlinethread '<unnamed>' panicked",
        ] {
            for reason in [EXIT, ABORT, ExitReason::Exited(FAST_FAIL_STATUS)] {
                let new = format!("before\n{head} at src/main.rs:7:5:\nout of cheese\n{note}");
                assert_found(&new, reason, "out of cheese, at src/main.rs:7:5");
                let old = format!("before\n{head} at 'out of cheese', src/main.rs:7:5\n{note}");
                assert_found(&old, reason, "out of cheese, at src/main.rs:7:5");
            }
        }
        assert_found("thread 'main' panicked at src/main.rs:7:5:\r\nno\r\n", EXIT, "no, at src/main.rs:7:5");
    }

    #[test]
    fn a_message_may_span_lines() {
        let new =
            "thread 'a' panicked at src/a.rs:1:2:\nassertion `left == right` failed\n  left: 1\n right: 2\n";
        let panic = "assertion `left == right` failed\n  left: 1\n right: 2, at src/a.rs:1:2";
        assert_found(new, EXIT, panic);
        assert_found(&format!("{new}something else\n"), EXIT, panic);
        let old = "thread 'a' panicked at 'assertion failed: `(left == right)`\n  left: `1`,\n right: `2`', src/a.rs:1:2\n";
        assert_found(
            old,
            EXIT,
            "assertion failed: `(left == right)`\n  left: `1`,\n right: `2`, at src/a.rs:1:2",
        );
        let delimited =
            "thread 'a' panicked at a.rs:1:2:\nno luck\n\nCaused by:\n    none\nstack backtrace:\n   0: f\n";
        assert_found(delimited, ABORT, "no luck\n\nCaused by:\n    none, at a.rs:1:2");
    }

    #[test]
    fn the_last_panic_is_reported_without_its_secondary_panics() {
        let stderr = "thread 'a' panicked at a.rs:1:1:\nfirst\nthread 'a' panicked at b.rs:2:2:\nsecond\n\
                      thread 'a' panicked at library/core/src/panicking.rs:230:5:\n\
                      panic in a function that cannot unwind\nstack backtrace:\n   0: f\n          at f.rs:1:1\n\
                      thread caused non-unwinding panic. aborting.\n";
        assert_found(stderr, ABORT, "second, at b.rs:2:2");
    }

    #[test]
    fn a_caught_panic_is_not_reported() {
        let stderr = "thread 'a' panicked at a.rs:1:1:\nwas caught\nnote: run with\n";
        for reason in [ExitReason::Exited(1), ExitReason::Signaled { signal: 9, core_dumped: false }] {
            assert_eq!(find(stderr, reason), None);
        }
        assert_eq!(find(&format!("{stderr}a line of its own\n"), ABORT), None, "output follows the panic");
        let overflow =
            "\nthread 'a' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        for caught in [stderr, "thread 'a' panicked at a.rs:1:1:\nwas caught\n"] {
            assert_eq!(find(&format!("{caught}{overflow}"), ABORT), None, "a stack overflow is no panic");
        }
        assert_eq!(find("no panic here", EXIT), None);
        for half in ["thread 'a' panicked at ", "thread 'a' panicked at 'never ends\n more"] {
            let _ = find(half, EXIT);
        }
    }

    #[test]
    fn a_panic_with_a_note_that_it_was_caught_is_not_reported() {
        let caught = "thread 'a' panicked at a.rs:1:1:\nno\nnote: run with\n\
                      note: the panic at a.rs:1:1 was caught, and its call fails with it\n";
        let fatal = "thread 'b' panicked at b.rs:2:2:\nout of cheese\n";
        for reason in [EXIT, ABORT] {
            assert_eq!(find(&format!("{caught}{caught}"), reason), None);
            assert_eq!(find(caught.split_once('\n').unwrap().1, reason), None);
            assert_found(&format!("{caught}{fatal}"), reason, "out of cheese, at b.rs:2:2");
            let again = caught.split_inclusive('\n').take(3).collect::<String>();
            assert_found(&format!("{caught}{again}"), reason, "no, at a.rs:1:1");
        }
        // The note of another thread's panic may follow the report of the fatal one.
        let (first, note) = caught.split_at(caught.find("note: the").unwrap());
        assert_found(&format!("{first}{fatal}{note}"), EXIT, "out of cheese, at b.rs:2:2");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let stderr = format!("thread 'a' panicked at a.rs:1:1:\n{}\n", "ü".repeat(9000));
        assert_found(&stderr, EXIT, &format!("{}, at a.rs:1:1", "ü".repeat(MAX_MESSAGE_CHARS)));
    }
}
