//! Workers whose runtime is dropped while other runtimes use them.

use std::time::Duration;

use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{OnCrash, Status};
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{assert_error, block_on, runtime};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use super::*;

/// Cause that every error names.
const CAUSE: &str = "the runtime on which the worker was spawned was shut down";

fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn runtimes() -> [Runtime; 2] {
    [runtime(), multi_thread()]
}

fn is_abandoned(error: &Error) {
    assert_error(error, ErrorKind::Closed, &[CAUSE, "spawn the worker on a runtime that outlives"]);
}

/// Checks everything that a handle can do after its runtime was dropped.
async fn is_over(worker: &Worker, client: &FaultsClient<Worker>) {
    let mut status = worker.status();
    assert_eq!(*status.borrow(), Status::Closed);
    assert!(!worker.is_active() && !worker.is_connected());
    assert_eq!(soon(worker.closed()).await, ExitReason::Abandoned);
    worker.kill();
    is_abandoned(&soon(worker.close()).await.unwrap_err());
    is_abandoned(&soon(worker.drain()).await.unwrap_err());
    is_abandoned(&soon(worker.disconnect()).await.unwrap_err());
    is_abandoned(&soon(worker.reconnect()).await.unwrap_err());
    is_abandoned(&soon(worker.detach()).await.unwrap_err());
    assert!(soon(status.wait_for(|status| *status == Status::Active)).await.is_err());
    let late = soon(client.count()).await.unwrap_err();
    assert_eq!((late.kind(), late.executed()), (ErrorKind::Closed, Executed::No), "{late}");
}

#[test]
fn calls_and_handles_end_when_the_runtime_of_their_worker_is_dropped() {
    for theirs in runtimes() {
        let (worker, client) = theirs.block_on(started());
        let process = PidFd::open(worker.pid());
        runtime().block_on(async {
            let mut calls = [Box::pin(client.wait()), Box::pin(client.wait())];
            for call in &mut calls {
                assert!(futures_util::poll!(call).is_pending());
            }
            let mut closed = Box::pin(worker.closed());
            assert!(futures_util::poll!(&mut closed).is_pending());
            theirs.shutdown_background();
            for call in calls {
                is_abandoned(&soon(call).await.unwrap_err());
            }
            assert_eq!(soon(closed).await, ExitReason::Abandoned);
            is_over(&worker, &client).await;
        });
        assert!(process.ends_within(HANG_TIMEOUT));
    }
}

#[test]
fn a_disconnected_worker_ends_when_its_runtime_is_dropped() {
    let theirs = runtime();
    let (worker, client) = theirs.block_on(started());
    let process = PidFd::open(worker.pid());
    theirs.block_on(soon(worker.disconnect())).unwrap();
    drop(theirs);
    block_on(is_over(&worker, &client));
    assert!(process.ends_within(HANG_TIMEOUT));
}

/// Drops the runtime while the worker waits for its respawn, and while it is being respawned.
#[test]
fn waiting_calls_end_when_the_runtime_of_their_worker_is_dropped() {
    let long = Duration::from_secs(60);
    for (policy, status) in [
        (OnCrash::respawn().backoff(long, long), Status::Starting),
        (OnCrash::respawn().backoff(Duration::ZERO, Duration::ZERO), Status::Connected),
    ] {
        let theirs = runtime();
        let worker = theirs.block_on(soon(worker().on_crash(policy).spawn())).unwrap();
        let client = FaultsClient::new(worker.clone());
        let mut watch = worker.status();
        theirs.block_on(async {
            PidFd::open(worker.pid()).signal(Signal::KILL);
            soon(watch.wait_for(|now| *now == status)).await.unwrap();
        });
        runtime().block_on(async {
            let mut call = Box::pin(client.count());
            assert!(futures_util::poll!(&mut call).is_pending());
            theirs.shutdown_background();
            is_abandoned(&soon(call).await.unwrap_err());
            is_over(&worker, &client).await;
        });
    }
}

/// Drops the runtime while the worker is drained, or closed.
#[test]
fn a_shutdown_ends_when_the_runtime_of_its_worker_is_dropped() {
    for drains in [true, false] {
        let theirs = multi_thread();
        let (worker, client) = theirs.block_on(started());
        let mut status = worker.status();
        runtime().block_on(async {
            let mut call = Box::pin(client.spin());
            assert!(futures_util::poll!(&mut call).is_pending());
            let mut end: futures_util::future::BoxFuture<'_, _> =
                if drains { Box::pin(worker.drain()) } else { Box::pin(worker.close()) };
            assert!(futures_util::poll!(&mut end).is_pending());
            soon(status.wait_for(|status| *status == Status::Closing)).await.unwrap();
            theirs.shutdown_background();
            is_abandoned(&soon(end).await.unwrap_err());
            assert_eq!(soon(call).await.unwrap_err().kind(), ErrorKind::Closed);
            is_over(&worker, &client).await;
        });
    }
}
