//! `iw each`: many calls in a pool.

use crate::support::{example, run_with};

#[test]
fn answers_have_the_order_of_the_input() {
    let lines: String = (0..500).map(|number| format!("{{\"a\": {number}, \"b\": 1}}\n")).collect();
    let expected: String = (0..500).map(|number| format!("{}\n", number + 1)).collect();
    let args = ["each", &example("quickstart"), "add", "--workers", "2", "--in-flight", "8"];
    let ran = run_with(&args, &lines);
    assert_eq!((ran.code, ran.out), (0, expected), "{}", ran.err);
    assert!(ran.err.starts_with("500 calls: 500 answered, 0 failed"), "{}", ran.err);
    let ran = run_with(&[&args[..], &["--unordered"]].concat(), &lines);
    let mut sums: Vec<u32> = ran.out.lines().map(|line| line.parse().unwrap()).collect();
    sums.sort_unstable();
    assert_eq!((ran.code, sums), (0, (1..=500).collect()));
}

#[test]
fn a_call_that_fails_is_a_line_and_the_others_continue() {
    let lines = "{\"a\":1,\"b\":0}\n{\"a\":4,\"b\":2}\nno json\n{\"a\":9,\"b\":3}\n";
    let ran = run_with(&["--json", "each", &example("quickstart"), "divide", "--workers", "1"], lines);
    let answers: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The exit code is that of the first failure.
    assert_eq!((ran.code, answers.len()), (1, 4), "{}", ran.err);
    assert_eq!(
        (&answers[0]["error"]["value"], &answers[0]["error"]["line"]),
        (&"division by zero".into(), &1.into())
    );
    assert_eq!((&answers[1], &answers[3]), (&2.into(), &3.into()));
    assert_eq!((&answers[2]["error"]["exit_code"], &answers[2]["error"]["line"]), (&2.into(), &3.into()));
    let summary: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((&summary["answered"], &summary["failed"]), (&2.into(), &2.into()));
}

#[test]
fn a_crash_fails_one_line() {
    let ran = run_with(&["each", &example("quickstart"), "crash", "--workers", "1"], "{}\n{}\n");
    let crashes = ran.out.lines().filter(|line| line.contains("SIGABRT")).count();
    assert_eq!((ran.code, crashes), (5, 2), "{}\n{}", ran.out, ran.err);
}
