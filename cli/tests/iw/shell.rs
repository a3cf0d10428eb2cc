//! `iw shell` with commands from a pipe.

use crate::support::{example, run_with};

#[test]
fn lines_are_calls_of_one_worker() {
    let lines = "add a=1 b=2\nadd {\"a\": 40, \"b\": 2}\nCalculator.add a=0 b=0\n\ndescribe\nhelp\nexit\nadd a=9 b=9\n";
    let ran = run_with(&["shell", &example("quickstart")], lines);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    assert!(ran.out.starts_with("3\n42\n0\n"), "{}", ran.out);
    assert!(ran.out.contains("    add(a, b)\n") && ran.out.contains("timing on|off"), "{}", ran.out);
    assert!(!ran.out.contains("18"), "{}", ran.out);
}

#[test]
fn a_failure_does_not_end_the_shell_and_sets_the_exit_code() {
    let ran = run_with(&["shell", &example("quickstart")], "divide a=1 b=0\ncrash\nadd a=1 b=2\nad a=1\n");
    assert_eq!((ran.code, &*ran.out), (1, "3\n"), "{}", ran.err);
    assert!(ran.err.contains("division by zero") && ran.err.contains("SIGABRT"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `add`?"), "{}", ran.err);
}

#[test]
fn the_time_of_a_call_is_printed_if_it_is_asked_for() {
    let ran = run_with(
        &["shell", &example("quickstart")],
        "add a=1 b=2\ntiming on\nadd a=1 b=2\ntiming off\nadd a=1 b=2\n",
    );
    assert_eq!((ran.code, &*ran.out), (0, "3\n3\n3\n"));
    assert_eq!((ran.err.lines().count(), ran.err.ends_with(" µs\n")), (1, true), "{}", ran.err);
}

#[test]
fn streams_of_items_are_printed_and_streamed_arguments_are_refused() {
    let lines = "tail file=/no/such/file\ncount_words\nadd -\n";
    let ran = run_with(&["shell", &example("log_tail")], lines);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    for why in
        ["could not read /no/such/file", "use `iw call`, which sends its lines", "write them into the line"]
    {
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}
