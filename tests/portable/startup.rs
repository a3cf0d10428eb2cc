use std::process::Command;

use isolated_workers::error::Executed;
use isolated_workers::host::Timeouts;
use isolated_workers::protocol::Schema;
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::assert_error;

use super::*;

async fn refused(program: Program) -> Error {
    let timeouts = Timeouts::default().startup(Duration::ZERO);
    let error = soon(Worker::builder(program).timeouts(timeouts).spawn()).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    error
}

#[tokio::test]
async fn each_spawn_failure_has_its_own_message() {
    let missing = refused(Program::new("/no/such/program.exe")).await;
    assert_error(&missing, ErrorKind::Spawn, &["/no/such/program.exe", "there is no such file"]);

    let unknown = refused(Program::new("no-such-program-in-the-path")).await;
    assert_error(&unknown, ErrorKind::Spawn, &["there is no program of this name in PATH"]);

    let nowhere = refused(Program::new(WORKER).current_dir("/no/such/folder")).await;
    assert_error(&nowhere, ErrorKind::Spawn, &["its working directory /no/such/folder does not exist"]);
}

#[tokio::test]
async fn a_worker_that_exits_before_it_is_ready_reports_how() {
    for _ in 0..10 {
        let exited = refused(Program::new(WORKER).arg("exit")).await;
        assert_error(
            &exited,
            ErrorKind::Startup,
            &["exited with code 3 before it was ready", "no luck today"],
        );

        let returned = refused(Program::new(WORKER).arg("return")).await;
        assert_error(
            &returned,
            ErrorKind::Startup,
            &["exited with code 0, probably without a call of `serve`"],
        );
    }
}

#[tokio::test]
async fn a_worker_that_never_serves_is_killed_at_the_startup_timeout() {
    let program = Program::new(WORKER).arg("never-serve");
    let timeouts = Timeouts::default().startup(Duration::from_millis(200));
    let error = soon(Worker::builder(program).timeouts(timeouts).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["was not ready within 200ms and was killed", "it must call `serve`"],
    );
}

#[tokio::test]
async fn a_handshake_mismatch_is_reported() {
    let error = soon(worker().codec(isolated_workers::codec::Postcard).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Handshake,
        &["the codec of this host is postcard, that of the worker is json"],
    );

    let error = soon(worker().service(Schema::new("Other", 7)).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Handshake,
        &["service of this host is Other (0000000000000007)", "Chores ("],
    );
    soon(worker().service(service::chores::SCHEMA).spawn()).await.unwrap();
}

#[tokio::test]
async fn a_worker_program_started_by_hand_explains_itself() {
    let alone = Command::new(WORKER).output().unwrap();
    let stderr = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(!alone.status.success());
    assert!(stderr.contains("this program is a worker and was not started by a host"), "{stderr}");
}
