//! Statistics of timeouts, kills and hung workers.

use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::error::ExitReason;
use isolated_workers::host::{Heartbeat, OnTimeout, Timeouts};
use isolated_workers::pool::{WorkerId, WorkerStats};
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

/// Timeouts, kills, hung workers and crashes.
fn counts(pool: &Pool) -> (u64, u64, u64, u64) {
    let stats = pool.stats();
    let crashes = stats.workers.iter().map(|worker| worker.crashes).sum();
    (stats.timeouts(), stats.killed(), stats.hung(), crashes)
}

/// Reason for the end of the last worker that ended unexpectedly.
fn last_reason(worker: &WorkerStats) -> Option<ExitReason> {
    Some(worker.last_error.as_ref()?.crash()?.reason)
}

#[tokio::test]
async fn calls_that_time_out_in_a_worker_are_counted() {
    let pool = started(pool(2).timeouts(Timeouts::default().message(Duration::from_millis(50)))).await;
    let stage = Stage::new();
    for worker in [WorkerId(0), WorkerId(1), WorkerId(1)] {
        let error = soon(stage.hold(pool.on(worker), "times out")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(!error.to_string().contains("was killed"), "{error}");
    }
    let dropped = spawn(stage.hold(pool.clone(), "dropped"));
    stage.next().await;
    dropped.abort();
    let timeouts: Vec<_> = pool.stats().workers.iter().map(|worker| worker.timeouts).collect();
    assert_eq!(timeouts, [1, 2]);
    assert_eq!(counts(&pool), (3, 0, 0, 0));
    assert!(pool.stats().workers.iter().all(|worker| worker.last_error.is_none()));
}

#[tokio::test]
async fn a_worker_that_is_killed_by_a_timeout_is_counted_and_the_error_says_so() {
    let pool = started(pool(1).on_timeout(OnTimeout::Kill)).await;
    let error = soon(JobsClient::new(pool.clone()).spin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("its worker was killed because of that"), "{error}");
    until(&pool, |stats| stats.restarts() == 1).await;
    assert_eq!(counts(&pool), (1, 1, 0, 0));
    let worker = &pool.stats().workers[0];
    assert_eq!(last_reason(worker), Some(ExitReason::Overran));
}

#[tokio::test]
async fn a_hung_worker_is_counted() {
    let timeouts = Timeouts::default().cancel(Duration::from_millis(200));
    let pool = started(pool(1).timeouts(timeouts)).await;
    let stage = Stage::new();
    let _hanging = stage.hang(pool.clone()).await;
    until(&pool, |stats| stats.killed() == 1 && stats.restarts() == 1).await;
    assert_eq!(counts(&pool), (0, 1, 1, 0));
    let worker = &pool.stats().workers[0];
    assert_eq!(last_reason(worker), Some(ExitReason::Hung));
}

#[tokio::test]
async fn a_worker_that_answers_no_ping_is_hung_and_has_crashed() {
    let heartbeat = Heartbeat::every(Duration::from_millis(50)).timeout(Duration::from_millis(50));
    let pool = started(pool(1).heartbeat(heartbeat)).await;
    let error = soon(JobsClient::new(pool.clone()).hang(Stage::new().path(), "hangs".into())).await;
    assert_eq!(error.unwrap_err().crash().unwrap().reason, ExitReason::Unresponsive);
    until(&pool, |stats| stats.restarts() >= 1).await;
    let (timeouts, killed, hung, crashes) = counts(&pool);
    assert_eq!(timeouts, 0);
    assert!(killed >= 1 && (killed, killed) == (hung, crashes), "{:?}", pool.stats());
}

#[tokio::test]
async fn the_last_error_of_a_slot_is_that_of_its_own_workers() {
    let pool = started(pool(2)).await;
    let crashed = soon(JobsClient::new(pool.on(WorkerId(1))).abort()).await.unwrap_err();
    until(&pool, |stats| stats.restarts() == 1).await;
    let workers = pool.stats().workers;
    assert!(workers[0].last_error.is_none());
    let (last, crashed) = (workers[1].last_error.as_ref().unwrap(), crashed.crash().unwrap());
    assert_eq!(last.crash().unwrap().pid, crashed.pid);
    assert!(last.to_string().contains("SIGABRT"), "{last}");
}
