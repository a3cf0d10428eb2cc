//! Crashes at the limits of a sandbox.

use crate::run;

/// Returns the line that begins with this word.
fn line<'a>(printed: &'a str, start: &str) -> &'a str {
    printed.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {printed}"))
}

#[test]
fn a_crash_says_which_limit_ended_the_worker() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "exhaust"]);
        for (start, text) in [
            ("Memory:", "it reached the 268435456 bytes of memory of its sandbox"),
            ("CpuTime:", "it used up the 1 s of processor time of its sandbox"),
            ("FileSize:", "it wrote a file beyond the 1048576 bytes of its sandbox"),
        ] {
            assert!(line(&printed, start).contains(text), "{printed}");
        }
        let core = line(&printed, "Core:");
        assert!(core.contains("(SIGABRT)") && !core.contains("core dumped"), "{core}");
        assert!(!core.contains("sandbox"), "an abort is no limit: {core}");
    }
}

#[test]
fn a_crash_names_the_system_call_that_ended_the_worker() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "violation"]);
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), 3, "{printed}");
        for (line, call) in lines.iter().zip(["ptrace (", "socket (", "clone ("]) {
            let text = format!("its sandbox refuses the system call {call}");
            assert!(line.starts_with("IW_CRASHED: ") && line.contains(&text), "{printed}");
        }
    }
}
