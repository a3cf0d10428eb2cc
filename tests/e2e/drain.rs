use std::io::Write;
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{Status, Timeouts};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, KILLED};
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

#[tokio::test]
async fn drain_finishes_oneway_messages() {
    let worker = soon(life_worker("plain").spawn()).await.unwrap();
    let (client, process) = (LifeClient::new(worker.clone()), PidFd::open(worker.pid()));
    let pipe = Fifo::new();
    let copy = pipe.sibling("copy");
    client.copy(pipe.path(), copy.clone()).await.unwrap();
    let finish = async {
        let mut write = pipe.opened().await;
        let early = tokio::task::spawn_blocking(move || process.ends_within(Duration::from_millis(200)));
        assert!(!early.await.unwrap(), "the worker ended while a oneway message was running");
        write.write_all(b"the end").unwrap();
    };
    let (drained, ()) = soon(async { tokio::join!(worker.drain(), finish) }).await;
    drained.unwrap();
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "the end");
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn close_kill_and_the_limit_end_a_worker_that_finishes_oneway_messages() {
    for how in ["close", "kill", "limit"] {
        let timeouts = match how {
            "limit" => Timeouts::default().drain(Duration::from_millis(50)).close(Duration::from_millis(50)),
            _ => Timeouts::default(),
        };
        let worker = soon(worker().timeouts(timeouts).spawn()).await.unwrap();
        FaultsClient::new(worker.clone()).note_forever().await.unwrap();
        let mut drain = Box::pin(worker.drain());
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut drain).await.is_err() || how == "limit");
        match how {
            "close" => soon(worker.close()).await.unwrap(),
            "kill" => worker.kill(),
            _ => {}
        }
        let end = soon(worker.closed()).await;
        assert_eq!(end, if how == "kill" { KILLED } else { ExitReason::Exited(0) }, "{how}");
    }
}

/// A stopped worker reads nothing, so that a part of the call stays unwritten.
#[tokio::test]
async fn drain_kills_a_worker_that_does_not_read() {
    let timeouts = Timeouts::default().message(Duration::from_millis(50)).close(Duration::from_millis(100));
    let worker = soon(worker().timeouts(timeouts).spawn()).await.unwrap();
    PidFd::open(worker.pid()).signal(Signal::STOP);
    let client = FaultsClient::new(worker.clone());
    assert_eq!(soon(client.echo(vec![1; 4 << 20].into())).await.unwrap_err().kind(), ErrorKind::Timeout);
    let drained = soon(worker.drain()).await.unwrap_err();
    assert!(drained.to_string().contains("it did not end in time and was killed"), "{drained}");
    assert_eq!(worker.closed().await, KILLED);
}
