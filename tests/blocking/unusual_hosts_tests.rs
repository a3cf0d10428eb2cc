//! Programs whose process is in an unusual state when they call.

use std::process::Command;
use std::time::Duration;

use isolated_workers_test_support::process::PidFd;

use crate::PROGRAM;

/// Runs a host, with at most 64 descriptors. Returns the lines that it prints.
fn lines(what: &str) -> Vec<String> {
    let command = format!("ulimit -n 64; exec timeout 30 {PROGRAM} {what}");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_forked_process_gets_an_error_and_its_parent_continues() {
    let expected = "IW_CLOSED could not call `add`: this process was forked from the one that has the thread for \
                    blocking calls; use this library only after an `exec`, or for the first time after the fork";
    assert_eq!(lines("fork"), ["5", expected, "5"]);
}

#[test]
fn an_exit_handler_gets_an_error() {
    let lines = lines("exit-handler");
    assert_eq!(lines[0], "5");
    assert!(lines[1].starts_with("IW_CLOSED could not call `add`: this thread is ending; "), "{lines:?}");
}

#[test]
fn a_lack_of_descriptors_is_an_error_once() {
    let lines = lines("no-descriptors");
    assert!(lines[0].contains("Too many open files"), "{lines:?}");
    assert_eq!(lines[1], "5");
}

#[test]
fn a_worker_ends_with_a_host_that_does_not_close_it() {
    let pid: u32 = lines("leave")[0].parse().unwrap();
    let has_ended = PidFd::try_open(pid).is_none_or(|worker| worker.ends_within(Duration::from_secs(10)));
    assert!(has_ended);
}
