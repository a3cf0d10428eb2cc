//! Detection of hung workers by pings and by timeouts.

use std::time::Duration;

use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{Heartbeat, OnCrash, OnTimeout, Timeouts};
use isolated_workers::layer::{Deadline, Timeout};
use isolated_workers::protocol::{Name, Request};
use isolated_workers::{ErrorKind, Service};
use isolated_workers_test_support::process::PidFd;

use super::*;

const PING_TIMEOUT: Duration = Duration::from_millis(50);

fn pinged() -> Builder {
    worker().heartbeat(Heartbeat::every(PING_TIMEOUT).timeout(PING_TIMEOUT))
}

#[tokio::test]
async fn a_stopped_worker_is_detected_and_killed() {
    let worker = soon(pinged().spawn()).await.unwrap();
    let process = PidFd::open(worker.pid());
    let error = soon(FaultsClient::new(worker.clone()).stop()).await.unwrap_err();
    assert_eq!(error.crash().unwrap().reason, ExitReason::Unresponsive, "{error}");
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_with_a_blocked_runtime_is_detected_and_replaced() {
    let worker = soon(pinged().on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let first = worker.pid();
    let error = soon(client.spin()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!(soon(client.count()).await.unwrap(), 1);
    assert_ne!(worker.pid(), first);
}

#[tokio::test]
async fn an_idle_or_waiting_worker_is_not_taken_for_hung() {
    // A loaded machine may let a worker wait longer than `PING_TIMEOUT` for its turn.
    let heartbeat = Heartbeat::every(PING_TIMEOUT).timeout(Duration::from_secs(2));
    let worker = soon(worker().heartbeat(heartbeat).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let (first, pid) = (client.count().await.unwrap(), worker.pid());
    // The call is in flight during many pings. If they were not answered, the worker would be
    // killed.
    let waited = tokio::time::timeout(Duration::from_secs(3), client.wait()).await;
    assert!(waited.is_err());
    assert_eq!(client.count().await.unwrap(), first + 1);
    assert_eq!(worker.pid(), pid);
}

#[tokio::test]
async fn on_timeout_kill_replaces_a_worker_in_a_busy_loop() {
    let timeouts = Timeouts::default().message(4 * PING_TIMEOUT);
    let worker = worker().timeouts(timeouts).on_timeout(OnTimeout::Kill).spawn();
    let worker = soon(worker).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let process = PidFd::open(worker.pid());
    let mut other_call = Request::new(Name::from_static("wait"), b"{}".to_vec().into());
    other_call.set_timeout(Some(HANG_TIMEOUT));
    let other_call = worker.call(other_call);
    let (late, other_call) = soon(async { tokio::join!(client.spin(), other_call) }).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    let other_call = other_call.unwrap_err();
    assert_eq!(other_call.crash().unwrap().reason, ExitReason::Overran, "{other_call}");
    assert!(process.ends_within(HANG_TIMEOUT));
    assert_eq!(soon(client.count()).await.unwrap(), 1, "a new worker");
}

/// A layer has the same limit as the call below it. It must not end the call first, as the cancel
/// of a busy worker has no effect.
#[tokio::test]
async fn on_timeout_kill_has_its_effect_below_layers_with_a_limit() {
    async fn killed<C: Service>(worker: impl Future<Output = Result<Worker<C>, isolated_workers::Error>>) {
        let worker = soon(worker).await.unwrap();
        let process = PidFd::open(worker.pid());
        let error = soon(FaultsClient::new(worker).spin()).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::Maybe), "{error}");
        assert!(process.ends_within(HANG_TIMEOUT));
    }
    let limit = 4 * PING_TIMEOUT;
    let builder = || worker().on_timeout(OnTimeout::Kill);
    killed(builder().layer(Timeout::new(limit)).spawn()).await;
    killed(builder().layer(Deadline::within(limit)).spawn()).await;
    killed(builder().layer(Timeout::new(limit)).layer(Deadline::within(limit)).spawn()).await;
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

#[tokio::test]
async fn close_kills_a_stopped_worker_that_is_pinged() {
    let timeouts = Timeouts::default().close(10 * PING_TIMEOUT);
    let worker = soon(pinged().timeouts(timeouts).spawn()).await.unwrap();
    PidFd::open(worker.pid()).signal(rustix::process::Signal::STOP);
    let error = soon(worker.close()).await.unwrap_err();
    assert!(error.to_string().contains("it did not end in time and was killed"), "{error}");
    assert_eq!(worker.closed().await, isolated_workers_test_support::KILLED);
}
