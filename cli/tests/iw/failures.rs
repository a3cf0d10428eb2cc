//! Each failure is one clear error with its exit code, and never a hang.

use crate::support::{example, run, run_with};

#[test]
fn every_failure_has_its_exit_code_and_says_why() {
    let calculator = example("calculator_worker");
    let quickstart = example("quickstart");
    for (args, code, why) in [
        (&["call", "./no-such-program", "add"][..], 3, "there is no such file"),
        (&["call", "exec:echo Hello!", "add"], 3, "probably without a call of `serve`"),
        (&["call", "exec:sleep 60", "add", "--startup-timeout", "200ms"], 3, "was not ready within 200ms"),
        (&["call", "exec:false", "add"], 3, "exited with code 1"),
        (&["call", &calculator, "crash"], 5, "was killed by signal 6 (SIGABRT) while `crash` was in flight"),
        (&["call", &calculator, "ad"], 7, "the service Calculator has no message `ad`"),
        (&["call", &calculator, "Store.add"], 7, "Store"),
        (&["call", &calculator, "add", "a=x", "b=1"], 8, "could not decode"),
        (&["call", &quickstart, "add", "a=1"], 8, "missing field `b`"),
        (&["call", &quickstart, "add", "1"], 2, "neither `name=value` nor a JSON object"),
        (&["call", &quickstart, "add", "{"], 2, "it is not JSON"),
        (&["call", "nats:indexer", "add"], 2, "cannot be called yet"),
        (&["call", &quickstart, "add", "--timeout", "soon"], 2, "the unit must be us, ms, s, m or h"),
        (&["call", &quickstart, "--startup", "{", "add"], 2, "startup data: it is not JSON"),
        (&["call", &quickstart, "add", "-", "--items"], 2, "@file"),
    ] {
        let ran = run(args);
        assert_eq!((ran.code, &*ran.out), (code, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(why), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_program_that_echoes_its_input_is_no_worker() {
    let ran = run(&["call", "exec:cat", "add", "--startup-timeout", "2s"]);
    assert_eq!((ran.code, &*ran.out), (3, ""), "{}", ran.err);
    assert!(ran.err.contains("error: the worker cat"), "{}", ran.err);
}

#[test]
fn a_call_that_takes_too_long_is_exit_code_6() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let file = format!("file={}", log.path().display());
    let ran = run(&["call", &example("log_tail"), "tail", &file, "--stream", "--timeout", "100ms"]);
    assert_eq!((ran.code, &*ran.out), (6, ""), "{}", ran.err);
    assert!(ran.err.contains("--timeout"), "{}", ran.err);
}

#[test]
fn arguments_that_are_no_json_on_standard_input_are_refused() {
    let ran = run_with(&["call", &example("quickstart"), "add", "-"], "a=1");
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("the arguments on standard input: it is not JSON"), "{}", ran.err);
}
