use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::Status;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;

use super::*;

#[tokio::test]
async fn drain_finishes_calls_in_flight_and_refuses_new_ones() {
    let (worker, client) = started().await;
    let mut status = worker.status();
    let mut calls = Box::pin(join_all((0..10).map(|key| client.gate(key))));
    assert!(futures_util::poll!(&mut calls).is_pending());
    release(&client, 0..9).await;
    until_waiting(&client, 0).await;
    // The message that opens the last gate is sent before the drain begins.
    let mut last = Box::pin(client.release(9));
    assert!(futures_util::poll!(&mut last).is_pending());
    let drained = worker.drain();
    let refused = async {
        soon(status.wait_for(|status| *status == Status::Closing)).await.unwrap();
        soon(client.count()).await.unwrap_err()
    };
    let (drained, refused, calls, _) = soon(async { tokio::join!(drained, refused, calls, last) }).await;
    drained.unwrap();
    assert_eq!((refused.kind(), refused.executed()), (ErrorKind::Closed, Executed::No));
    for (key, call) in (0..).zip(calls) {
        assert_eq!(call.unwrap(), key);
    }
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn draining_an_idle_worker_ends_it() {
    let (worker, _client) = started().await;
    soon(worker.drain()).await.unwrap();
    soon(worker.drain()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn close_overrides_drain() {
    let (worker, client) = started().await;
    let close = async {
        until_waiting(&client, 1).await;
        let (drained, ()) = tokio::join!(worker.drain(), async {
            let mut status = worker.status();
            status.wait_for(|status| *status == Status::Closing).await.unwrap();
            worker.close().await.unwrap();
        });
        drained.unwrap();
    };
    let (call, ()) = soon(async { tokio::join!(client.wait(), close) }).await;
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_dropped_call_does_not_delay_drain() {
    let (worker, client) = started().await;
    let mut call = Box::pin(client.wait());
    assert!(futures_util::poll!(&mut call).is_pending());
    until_waiting(&client, 1).await;
    let mut status = worker.status();
    let drop_it = async {
        status.wait_for(|status| *status == Status::Closing).await.unwrap();
        drop(call);
    };
    let (drained, ()) = soon(async { tokio::join!(worker.drain(), drop_it) }).await;
    drained.unwrap();
}

#[tokio::test]
async fn a_worker_that_crashes_during_drain_is_not_respawned() {
    let policy = isolated_workers::host::OnCrash::retry(5).any_message();
    let worker = soon(worker().on_crash(policy).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let kill = async {
        until_waiting(&client, 1).await;
        let mut status = worker.status();
        let kill = async {
            status.wait_for(|status| *status == Status::Closing).await.unwrap();
            PidFd::open(worker.pid()).signal(Signal::KILL);
        };
        tokio::join!(worker.drain(), kill).0.unwrap();
    };
    let (call, ()) = soon(async { tokio::join!(client.wait(), kill) }).await;
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Crashed);
    assert!(matches!(worker.closed().await, ExitReason::Signaled { signal: 9, .. }));
}
