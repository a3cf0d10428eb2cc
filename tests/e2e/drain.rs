use futures_util::future::join_all;
use isolated_workers::{ErrorKind, Executed, ExitReason, Status};
use rustix::process::Signal;

use super::process::Watched;
use super::*;

/// QueueStats until these gates are there, and opens them.
async fn release(client: &FaultsClient<Worker>, keys: std::ops::Range<u32>) {
    for key in keys {
        soon(async { while !client.release(key).await.unwrap() {} }).await;
    }
}

#[tokio::test]
async fn calls_in_flight_are_finished_and_further_ones_refused() {
    let (worker, client) = started().await;
    let mut status = worker.status();
    let mut calls = Box::pin(join_all((0..10).map(|key| client.gate(key))));
    assert!(futures_util::poll!(&mut calls).is_pending());
    release(&client, 0..9).await;
    waiting(&client, 0).await;
    // The last one opens by a message that was sent before.
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
async fn an_idle_worker_is_drained_at_once() {
    let (worker, _client) = started().await;
    soon(worker.drain()).await.unwrap();
    soon(worker.drain()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_drain_is_overruled_by_close() {
    let (worker, client) = started().await;
    let close = async {
        waiting(&client, 1).await;
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
async fn a_call_that_is_given_up_does_not_hold_a_drain() {
    let (worker, client) = started().await;
    let mut call = Box::pin(client.wait());
    assert!(futures_util::poll!(&mut call).is_pending());
    waiting(&client, 1).await;
    let mut status = worker.status();
    let drop_it = async {
        status.wait_for(|status| *status == Status::Closing).await.unwrap();
        drop(call);
    };
    let (drained, ()) = soon(async { tokio::join!(worker.drain(), drop_it) }).await;
    drained.unwrap();
}

#[tokio::test]
async fn a_worker_that_dies_while_it_is_drained_is_not_started_again() {
    let policy = isolated_workers::OnCrash::retry(5).any_message();
    let worker = soon(worker().on_crash(policy).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let kill = async {
        waiting(&client, 1).await;
        let mut status = worker.status();
        let kill = async {
            status.wait_for(|status| *status == Status::Closing).await.unwrap();
            Watched::new(worker.pid()).signal(Signal::KILL);
        };
        tokio::join!(worker.drain(), kill).0.unwrap();
    };
    let (call, ()) = soon(async { tokio::join!(client.wait(), kill) }).await;
    assert_eq!(call.unwrap_err().kind(), ErrorKind::Crashed);
    assert!(matches!(worker.closed().await, ExitReason::Signalled { signal: 9, .. }));
}
