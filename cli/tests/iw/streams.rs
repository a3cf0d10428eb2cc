//! Streams as JSON lines, in both directions.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::{example, iw, run, run_with};

#[test]
fn a_streamed_argument_is_read_from_standard_input() {
    let lines = "\"a line\"\n\"another\"\n\n\"the last line\"\n";
    let ran = run_with(&["call", &example("log_tail"), "count_words", "--items"], lines);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "6\n", ""));
}

#[test]
fn items_go_both_ways() {
    let lines = "\"a line\"\n\"another\"\n\"the last line\"\n";
    let ran = run_with(&["call", &example("log_tail"), "grep", "word=line", "--stream", "--items"], lines);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "\"a line\"\n\"the last line\"\n", ""));
}

#[test]
fn items_are_printed_as_they_come() {
    let mut log = tempfile::NamedTempFile::new().unwrap();
    writeln!(log, "started").unwrap();
    let mut command = Command::new(iw());
    command
        .args(["call", &example("log_tail"), "tail", "--stream"])
        .arg(format!("file={}", log.path().display()));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(line(), "\"started\"\n");
    writeln!(log, "one more").unwrap();
    assert_eq!(line(), "\"one more\"\n");
    // Ctrl-C ends the call, and the worker with it.
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn an_item_that_is_no_json_is_an_error() {
    let ran = run_with(&["call", &example("log_tail"), "count_words", "--items"], "\"a\"\nb\n");
    assert_eq!((ran.code, &*ran.out), (8, ""));
    assert!(ran.err.contains("an item of standard input: it is not JSON"), "{}", ran.err);
}

#[test]
fn an_error_after_the_request_ends_a_stream() {
    let ran = run(&["call", &example("log_tail"), "tail", "file=/no/such/file", "--stream"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.contains("could not read /no/such/file"), "{}", ran.err);
}
