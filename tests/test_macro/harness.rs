//! Behavior of the harness: results, other attributes, and processes that it must not start.

use std::process::{Command, Output};

use isolated_workers::prelude::*;

use crate::probe::{MyProbe, Probe, ProbeClient, ProbeService, start_by_hand};

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn a_worker_may_crash(worker: Worker) {
    let error = ProbeClient::new(&worker).abort().await.expect_err("a crash");
    assert_eq!(error.kind(), ErrorKind::Crashed);
}

#[isolated_workers::test(serve = MyProbe.into_service())]
#[should_panic(expected = "as asked")]
async fn a_test_may_have_to_panic(worker: Worker) {
    let error = ProbeClient::new(&worker).fail().await.expect_err("its own error");
    panic!("{error}");
}

mod inner {
    use super::*;

    #[isolated_workers::test(serve = MyProbe.into_service())]
    async fn r#async(worker: Worker) {
        ProbeClient::new(&worker).pid().await.expect("an answer");
    }
}

/// Runs one ignored test of this program, as cargo-nextest does. Returns its exit code and its
/// output.
fn run(test: &str) -> (Option<i32>, String) {
    let program = std::env::current_exe().expect("this program");
    let Output { status, stdout, stderr } =
        Command::new(program).args(["--exact", test, "--ignored", "--nocapture"]).output().expect("a run");
    (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).expect("text")).concat())
}

#[isolated_workers::test(serve = MyProbe.into_service())]
#[ignore = "run by another test"]
async fn ignored_test(worker: Worker) {
    println!("worker {}", ProbeClient::new(&worker).pid().await.expect("an answer"));
}

#[test]
fn a_test_may_be_ignored_and_run_alone() {
    let (code, output) = run("harness::ignored_test");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("worker ") && output.contains("1 passed"), "{output}");
}

#[isolated_workers::test(serve = MyProbe.into_service())]
#[ignore = "run by another test"]
async fn failing_test(worker: Worker) -> Result<(), Error> {
    ProbeClient::new(&worker).abort().await
}

#[test]
fn a_test_that_returns_an_error_fails() {
    let (code, output) = run("harness::failing_test");
    assert_eq!(code, Some(101), "{output}");
    assert!(output.contains("`abort`") && output.contains("1 failed"), "{output}");
}

fn no_handler() -> ProbeService<MyProbe> {
    panic!("no handler");
}

#[isolated_workers::test(serve = no_handler())]
#[ignore = "run by another test"]
#[should_panic(expected = "not this one")]
async fn unserved_test(_: Worker) {}

#[test]
fn a_handler_that_panics_is_no_worker() {
    let (code, output) = run("harness::unserved_test");
    assert_eq!(code, Some(101), "{output}");
    for part in ["could not start the worker of the test `test_macro::harness::unserved_test`", "no handler"]
    {
        assert!(output.contains(part), "{output}");
    }
}

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn a_worker_that_was_not_started_for_its_test_does_not_run_it(worker: Worker) {
    for test in ["harness::ignored_test", "harness::a_test_without_serve_is_no_worker"] {
        let nested = ProbeClient::new(&worker).start_nested(test.to_owned()).await.expect("an error");
        for error in [start_by_hand(test).await, nested] {
            assert!(error.contains("started as a worker by `Program::current_exe()`"), "{error}");
        }
    }
}

#[isolated_workers::test]
async fn a_test_without_serve_is_no_worker() {
    assert!(!is_worker());
}
