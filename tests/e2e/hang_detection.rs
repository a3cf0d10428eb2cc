//! Workers that hang, and what finds them.

use std::time::Duration;

use isolated_workers::{
    ErrorKind, Executed, ExitReason, Heartbeat, Name, OnCrash, OnTimeout, Request, Service, Timeouts,
};
use isolated_workers_test_support::process::PidFd;

use super::*;

const SOON: Duration = Duration::from_millis(50);

fn watched() -> Builder {
    worker().heartbeat(Heartbeat::every(SOON).timeout(SOON))
}

#[tokio::test]
async fn a_stopped_worker_is_detected_and_killed() {
    let worker = soon(watched().spawn()).await.unwrap();
    let process = PidFd::open(worker.pid());
    let error = soon(FaultsClient::new(worker.clone()).stop()).await.unwrap_err();
    assert_eq!(error.crash().unwrap().reason, ExitReason::Unresponsive, "{error}");
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_with_a_blocked_runtime_is_detected_and_replaced() {
    let worker = soon(watched().on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let first = worker.pid();
    let error = soon(client.spin()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!(soon(client.count()).await.unwrap(), 1);
    assert_ne!(worker.pid(), first);
}

#[tokio::test]
async fn an_idle_or_waiting_worker_is_not_taken_for_hung() {
    let worker = soon(watched().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let (first, pid) = (client.count().await.unwrap(), worker.pid());
    // Its end is waited for over many heartbeats.
    let waited = tokio::time::timeout(20 * SOON, client.wait()).await;
    assert!(waited.is_err());
    assert_eq!(client.count().await.unwrap(), first + 1);
    assert_eq!(worker.pid(), pid);
}

#[tokio::test]
async fn on_timeout_kill_replaces_a_worker_in_a_busy_loop() {
    let timeouts = Timeouts::default().message(4 * SOON);
    let worker = worker().timeouts(timeouts).on_timeout(OnTimeout::Kill).spawn();
    let worker = soon(worker).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let process = PidFd::open(worker.pid());
    let mut neighbour = Request::new(Name::from_static("wait"), b"{}".to_vec().into());
    neighbour.set_timeout(Some(HANG_TIMEOUT));
    let neighbour = worker.call(neighbour);
    let (late, neighbour) = soon(async { tokio::join!(client.spin(), neighbour) }).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    let neighbour = neighbour.unwrap_err();
    assert_eq!(neighbour.crash().unwrap().reason, ExitReason::Overran, "{neighbour}");
    assert!(process.ends_within(HANG_TIMEOUT));
    assert_eq!(soon(client.count()).await.unwrap(), 1, "there is another one");
}

#[tokio::test]
async fn on_timeout_abandon_lets_the_handler_continue() {
    let worker = soon(worker().on_timeout(OnTimeout::Abandon).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    assert_eq!(soon(client.wait_a_little()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(client.waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn invalid_timeouts_and_heartbeats_are_refused() {
    let never = Duration::from_secs(u64::MAX);
    let error = worker().timeouts(Timeouts::default().message(never)).spawn().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("Timeouts::message"), "{error}");
    let error = worker().heartbeat(Heartbeat::every(Duration::ZERO)).spawn().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}
