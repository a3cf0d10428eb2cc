//! Respawn of workers and retry of calls after a crash.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{OnCrash, Status, Timeouts};
use isolated_workers::layer::{Next, from_fn};
use isolated_workers::protocol::Request;
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tempfile::TempDir;

use super::*;

async fn started_with(policy: OnCrash) -> (Worker, FaultsClient<Worker>) {
    let worker = soon(worker().on_crash(policy).spawn()).await.unwrap();
    (worker.clone(), FaultsClient::new(worker))
}

/// A temporary folder, and the path of a file in it that counts the runs of a message.
fn journal() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs").display().to_string();
    (folder, path)
}

fn runs(path: &str) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn is_killed(error: &Error) -> bool {
    error.crash().is_some_and(|crash| matches!(crash.reason, ExitReason::Signaled { signal: 9, .. }))
}

#[tokio::test]
async fn a_message_with_retry_is_retried_under_any_crash_policy() {
    let (_folder, path) = journal();
    let (worker, client) = started_with(OnCrash::reject()).await;
    let first = worker.pid();
    assert_eq!(soon(client.die_at_first(path.clone(), 2)).await.unwrap(), 3);
    assert_ne!(worker.pid(), first);
    assert!(worker.is_active());
    assert_eq!(client.count().await.unwrap(), 1, "a new worker starts with a new state");
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_poison_call_is_given_up_and_named() {
    let (_folder, path) = journal();
    let (_worker, client) = started_with(OnCrash::reject()).await;
    let error = soon(client.die_at_first(path.clone(), usize::MAX)).await.unwrap_err();
    assert_eq!(runs(&path), 3);
    let crash = error.crash().unwrap();
    assert_eq!((crash.attempt, crash.max_attempts, crash.is_poison()), (3, 3, true));
    assert_eq!(crash.message.as_deref(), Some("die_at_first"));
    assert!(is_killed(&error));
}

#[tokio::test]
async fn only_idempotent_messages_are_retried_unless_any_message_is_set() {
    let (_folder, path) = journal();
    let (_worker, client) = started_with(OnCrash::retry(3)).await;
    assert_eq!(soon(client.die_until(path.clone(), 3)).await.unwrap(), 4);
    let error = soon(client.abort()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!((error.crash().unwrap().attempt, error.crash().unwrap().max_attempts), (1, 1));

    let (_worker, client) = started_with(OnCrash::retry(1).any_message()).await;
    let error = soon(client.abort()).await.unwrap_err();
    assert_eq!((error.crash().unwrap().attempt, error.crash().unwrap().max_attempts), (2, 2));
}

#[tokio::test]
async fn other_calls_survive_a_poison_call() {
    let (_folder, path) = journal();
    let (_worker, client) = started_with(OnCrash::retry(2)).await;
    let poison = client.die_until(path.clone(), usize::MAX);
    let others = join_all((0..20).map(|key| client.gate_again(key)));
    let release = async {
        // Each gate opens only after the poison call has failed, some later than others.
        for key in 0..20 {
            soon(async { while !client.release(key).await.unwrap_or(false) {} }).await;
        }
    };
    let (poison, others, ()) = soon(async { tokio::join!(poison, others, release) }).await;
    assert!(poison.unwrap_err().crash().unwrap().is_poison());
    for (key, other) in (0..).zip(others) {
        assert_eq!(other.unwrap(), key);
    }
    assert_eq!(runs(&path), 3);
}

#[tokio::test]
async fn an_idle_worker_that_crashes_is_respawned_if_the_policy_says_so() {
    let (worker, client) = started_with(OnCrash::respawn()).await;
    let mut status = worker.status();
    for round in 0..3 {
        let pid = worker.pid();
        PidFd::open(pid).signal(Signal::KILL);
        soon(status.wait_for(|status| *status == Status::Starting)).await.unwrap();
        assert!(!worker.is_active(), "round {round}");
        soon(status.wait_for(|status| *status == Status::Active)).await.unwrap();
        assert_ne!(worker.pid(), pid);
        assert_eq!(soon(client.count()).await.unwrap(), 1);
    }
    soon(worker.close()).await.unwrap();
    assert_eq!(*status.borrow(), Status::Closed);
}

#[tokio::test]
async fn an_idle_worker_that_crashes_stays_closed_if_the_policy_says_so() {
    let (worker, client) = started_with(OnCrash::reject()).await;
    PidFd::open(worker.pid()).signal(Signal::KILL);
    assert!(matches!(soon(worker.closed()).await, ExitReason::Signaled { signal: 9, .. }));
    let error = soon(client.count()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
}

#[tokio::test]
async fn calls_made_during_a_respawn_wait_for_it() {
    let (worker, client) = started_with(OnCrash::respawn()).await;
    let mut status = worker.status();
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(status.wait_for(|status| *status == Status::Starting)).await.unwrap();
    let calls = join_all((0..50u8).map(|i| client.echo(vec![i].into())));
    for (i, answer) in (0..).zip(soon(calls).await) {
        assert_eq!(answer.unwrap()[..], [i]);
    }
}

#[tokio::test]
async fn the_timeout_of_a_call_includes_the_wait_for_a_respawn() {
    let policy = OnCrash::respawn().backoff(Duration::from_secs(60), Duration::from_secs(60));
    let (worker, client) = started_with(policy).await;
    let mut status = worker.status();
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(status.wait_for(|status| *status == Status::Starting)).await.unwrap();
    let error = soon(client.wait_a_little()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::No));
    assert!(error.to_string().contains("its worker was still being restarted"), "{error}");
    // `close` does not wait for the respawn either.
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_cannot_be_respawned_is_closed_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("worker");
    std::fs::copy(WORKER, &copy).unwrap();
    let policy = OnCrash::respawn().backoff(Duration::from_millis(1), Duration::from_millis(1));
    let worker = soon(Worker::builder(Program::new(&copy)).on_crash(policy).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(soon(client.abort()).await.unwrap_err().kind(), ErrorKind::Crashed);
    soon(worker.closed()).await;
    let error = soon(client.count()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Spawn, Executed::No));
    assert!(error.to_string().contains("there is no such file"), "{error}");
}

#[tokio::test]
async fn every_attempt_passes_the_middleware() {
    let (_folder, path) = journal();
    static ATTEMPTS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let counting = from_fn(async |request: Request, next: Next<'_>| {
        ATTEMPTS.lock().unwrap().push(request.attempt());
        next.call(request).await
    });
    let worker = soon(worker().layer(counting).spawn()).await.unwrap();
    let client = FaultsClient::new(worker);
    assert_eq!(soon(client.die_at_first(path, 2)).await.unwrap(), 3);
    assert_eq!(*ATTEMPTS.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn retries_share_the_timeout_of_the_call() {
    let timeouts = Timeouts::default().message(Duration::from_millis(300));
    let policy = OnCrash::retry(1000).backoff(Duration::ZERO, Duration::ZERO);
    let worker = soon(worker().on_crash(policy).timeouts(timeouts).spawn()).await.unwrap();
    let client = FaultsClient::new(worker);
    let (_folder, path) = journal();
    let error = soon(client.die_until(path.clone(), usize::MAX)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Crashed | ErrorKind::Timeout), "{error}");
    assert!(runs(&path) < 1000);
}
