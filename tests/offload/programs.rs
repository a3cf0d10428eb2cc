//! Programs whose `main` calls `init`, and one that forgets it.

use std::process::{Command, Output};

use isolated_workers::prelude::*;
use isolated_workers::{ErrorKind, Program};
use isolated_workers_test_library::numbers::double;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offload-program");
const TOKIO: &str = env!("CARGO_BIN_EXE_offload-tokio");
const FORGETFUL: &str = env!("CARGO_BIN_EXE_offload-forgetful");

/// Runs a program. Returns its exit code and its output.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(program).args(arguments).output().expect("the program");
    (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).expect("text")).concat())
}

#[test]
fn a_program_without_a_runtime_offloads() {
    assert_eq!(run(PROGRAM, &["call"]), (Some(0), "42 in another process\n".to_owned()));
}

#[test]
fn no_output_is_lost_when_the_program_ends() {
    assert_eq!(run(PROGRAM, &["print"]), (Some(0), "printed\ntwice\n".to_owned()));
}

#[test]
fn a_program_with_a_runtime_offloads() {
    assert_eq!(run(TOKIO, &[]), (Some(0), "42 and 42\n".to_owned()));
}

#[test]
fn a_program_that_forgets_init_starts_no_process() {
    let (code, output) = run(FORGETFUL, &[]);
    assert_eq!(code, Some(1), "{output}");
    for part in ["main 1 time", "`main` has not called `isolated_workers::offload::init()`"] {
        assert!(output.contains(part), "{output}");
    }
}

#[isolated_workers::test]
async fn another_build_is_one_error() {
    let worker = Worker::builder(Program::new(PROGRAM).arg("serve")).spawn().await.unwrap();
    let error = double::on(&worker, 1).await.expect_err("another build");
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("host and worker are different builds"), "{error}");
}

/// Linkers of Linux write a hash into the program.
#[cfg(target_os = "linux")]
#[test]
fn a_copy_of_a_program_is_the_same_build() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(PROGRAM, &copy).unwrap();
    let (code, output) = run(PROGRAM, &["call-other", copy.to_str().unwrap()]);
    assert_eq!((code, output.as_str()), (Some(0), "42\n"));
}
