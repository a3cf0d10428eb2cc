//! `iw bench`: the shape of its report. Its figures depend on the machine.

use crate::support::{example, run};

#[test]
fn each_number_of_calls_in_flight_is_a_row() {
    let worker = example("quickstart");
    let args = [
        "bench",
        &worker,
        "add",
        "a=1",
        "b=2",
        "--in-flight",
        "1,4",
        "--duration",
        "100ms",
        "--warm-up",
        "0",
    ];
    let ran = run(&[&["--json"], &args[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["in_flight"], &rows[1]["in_flight"]), (2, &1.into(), &4.into()));
    for row in rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        assert!(number("calls") > 0.0 && number("seconds") >= 0.1, "{row}");
        assert!(0.0 < number("p50_us") && number("p50_us") <= number("p99_us"), "{row}");
        assert!(number("p99_us") <= number("p99_9_us"), "{row}");
    }
    assert_eq!(run(&args).out.lines().count(), 3);
}

#[test]
fn a_method_that_fails_is_not_measured() {
    let ran = run(&["bench", &example("quickstart"), "divide", "a=1", "b=0"]);
    assert_eq!((ran.code, &*ran.out), (1, ""), "{}", ran.err);
    let ran = run(&["bench", &example("log_tail"), "tail", "file=Cargo.toml"]);
    assert_eq!((ran.code, &*ran.out), (8, ""), "{}", ran.err);
    assert!(ran.err.contains("the method answers with a stream"), "{}", ran.err);
}
