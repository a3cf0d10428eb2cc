//! Behavior that is specific to Windows.

use isolated_workers::ErrorKind;
use isolated_workers::error::ExitReason;

use super::orphans::assert_ends_with_its_host;
use super::*;

#[tokio::test]
async fn an_abort_is_reported_as_an_exit_code() {
    const STATUS_STACK_BUFFER_OVERRUN: u32 = 0xc000_0409;
    let (_worker, client) = started().await;
    let error = soon(client.abort()).await.unwrap_err();
    let reason = error.crash().unwrap().reason;
    assert_eq!(reason, ExitReason::Exited(STATUS_STACK_BUFFER_OVERRUN.cast_signed()));
}

#[tokio::test]
async fn killing_the_host_ends_the_children_of_its_worker() {
    assert_ends_with_its_host("has-a-child").await;
}

#[tokio::test]
async fn closing_a_worker_ends_its_children() {
    let registry = Registry::new().await;
    let (worker, client) = started().await;
    client.start_child(registry.port()).await.unwrap();
    let child = registry.process().await;
    soon(worker.close()).await.unwrap();
    child.ended().await;
}

#[tokio::test]
async fn a_file_that_is_not_a_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.exe");
    std::fs::write(&plain, "text").unwrap();
    let error = soon(Worker::builder(Program::new(&plain)).spawn()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error:?}");
    assert!(format!("{error}").contains("plain.exe"), "{error}");
}
