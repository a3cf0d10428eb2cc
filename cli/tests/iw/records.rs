//! `iw record` and `iw replay`.

use std::fs;

use crate::support::{example, run, run_with};

#[test]
fn a_replay_finds_no_difference_in_the_same_build() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.iwr");
    let file = file.to_str().unwrap();
    let worker = example("quickstart");
    let lines = "{\"a\":6,\"b\":3}\n{\"a\":1,\"b\":0}\n";
    let ran = run_with(&["record", "-o", file, "each", &worker, "divide", "--workers", "1"], lines);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let ran = run(&["replay", file, &worker]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "2 calls, no difference\n", ""));

    let changed = fs::read_to_string(file).unwrap().replace("\"reply\":2", "\"reply\":7");
    fs::write(file, changed).unwrap();
    let ran = run(&["replay", file, &worker]);
    assert_eq!(ran.code, 9, "{}", ran.err);
    assert_eq!(
        ran.out,
        "call 1 of 2, `divide`, differs\n  recorded: {\"reply\":7}\n  now:      {\"reply\":2}\n"
    );
}

#[test]
fn a_record_has_a_header_times_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.iwr");
    let path = file.to_str().unwrap();
    let ran = run(&[
        "record",
        "-o",
        path,
        "--redact",
        "Tenant",
        "call",
        &example("quickstart"),
        "add",
        "a=1",
        "b=2",
        "--metadata",
        "x-auth-token=s3cret",
        "--metadata",
        "tenant=blue",
        "--metadata",
        "trace=7",
    ]);
    assert_eq!((ran.code, &*ran.out), (0, "3\n"), "{}", ran.err);
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("s3cret") && !text.contains("blue"), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["iw-record"]), (2, &1.into()));
    let entry = &lines[1];
    assert_eq!(
        (&entry["method"], &entry["reply"], &entry["metadata"]["trace"]),
        (&"add".into(), &3.into(), &"7".into())
    );
    assert_eq!(entry["redacted"], serde_json::json!(["x-auth-token", "tenant"]));
    assert!(entry["at_us"].is_u64() && entry["took_us"].is_u64(), "{entry}");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777,
        0o600
    );
}

#[test]
fn the_call_that_crashed_crashes_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crash.iwr");
    let file = file.to_str().unwrap();
    let worker = example("quickstart");
    assert_eq!(run(&["record", "-o", file, "call", &worker, "crash"]).code, 5);
    let ran = run(&["replay", file, &worker]);
    assert_eq!((ran.code, &*ran.out), (0, "1 calls, no difference\n"), "{}", ran.err);
}

#[test]
fn items_are_recorded_with_the_error_that_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.iwr");
    let file = file.to_str().unwrap();
    let worker = example("log_tail");
    assert_eq!(
        run(&["record", "-o", file, "call", &worker, "tail", "file=/no/such/file", "--stream"]).code,
        1
    );
    let ran = run(&["replay", file, &worker]);
    assert_eq!((ran.code, &*ran.out), (0, "1 calls, no difference\n"), "{}", ran.err);
}

#[test]
fn the_calls_of_a_shell_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shell.iwr");
    let file = file.to_str().unwrap();
    let worker = example("quickstart");
    let ran = run_with(&["record", "-o", file, "shell", &worker], "add a=1 b=2\ndescribe\nadd a=3 b=4\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(&["replay", file, &worker]);
    assert_eq!((ran.code, &*ran.out), (0, "2 calls, no difference\n"), "{}", ran.err);
}

#[test]
fn a_file_that_is_no_record_is_refused() {
    let ran = run(&["replay", "Cargo.toml", "./worker"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("it has no header"), "{}", ran.err);
}
