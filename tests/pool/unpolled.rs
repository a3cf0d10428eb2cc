//! Callers that are not polled. They must not delay other calls.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::poll;
use isolated_workers::ErrorKind;
use isolated_workers::host::{OnCrash, Timeouts};
use isolated_workers::pool::WhenFull;
use isolated_workers_test_support::runtime;
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

/// Runtime that a thread of its own drives.
fn driven() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Polls the future once, with a waker that does nothing.
fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn an_answered_call_that_nobody_polls_holds_no_permit() {
    let pool = started(pool(1)).await;
    let client = JobsClient::new(pool.clone());
    let mut unpolled = Box::pin(client.echo(1));
    poll_once(unpolled.as_mut());
    let mut forgotten = Box::pin(client.echo(2));
    poll_once(forgotten.as_mut());
    std::mem::forget(forgotten);
    for number in 3..10 {
        assert_eq!(soon(client.echo(number)).await.unwrap(), number);
    }
    assert!(pool.stats().workers.iter().all(|worker| worker.in_flight == 0));
    assert_eq!(soon(unpolled).await.unwrap(), 1);
    soon(pool.drain()).await.unwrap();
}

#[tokio::test]
async fn the_body_of_a_loop_over_a_map_may_call_the_same_pool() {
    let pool = started(pool(2)).await;
    let client = JobsClient::new(pool.clone());
    let mut results =
        pool.map(0..20_u64, |pool, number| async move { JobsClient::new(pool).echo(number).await });
    for number in 0..20 {
        assert_eq!(soon(results.next()).await.unwrap().unwrap(), number);
        assert_eq!(soon(client.echo(100 + number)).await.unwrap(), 100 + number);
        assert_eq!(soon(client.echo(200 + number)).await.unwrap(), 200 + number);
    }
}

#[tokio::test]
async fn a_pool_drains_beside_a_map_that_is_not_polled_anymore() {
    let pool = started(pool(2)).await;
    let mut results =
        pool.map(0..20_u64, |pool, number| async move { JobsClient::new(pool).echo(number).await });
    assert_eq!(soon(results.next()).await.unwrap().unwrap(), 0);
    soon(pool.drain()).await.unwrap();
    // The calls that had begun were finished.
    for number in 1..results.progress().begun {
        assert_eq!(soon(results.next()).await.unwrap().unwrap(), number);
    }
}

#[tokio::test]
async fn queued_calls_run_although_nobody_polls_them() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let mut unpolled: Vec<_> =
        ["0", "1", "2"].into_iter().map(|name| Box::pin(stage.hold(pool.clone(), name))).collect();
    for call in &mut unpolled {
        poll_once(call.as_mut());
    }
    queued(&pool, 3).await;
    let last = spawn(stage.hold(pool.clone(), "last"));
    queued(&pool, 4).await;
    drop(held);
    for number in 0..3 {
        assert_eq!(stage.next().await.name, number.to_string());
    }
    assert_eq!(stage.next().await.name, "last");
    soon(last).await.unwrap().unwrap();
    soon(first).await.unwrap().unwrap();
    for call in unpolled {
        soon(call).await.unwrap();
    }
}

#[tokio::test]
async fn a_queued_call_that_started_unpolled_is_cancelled_when_it_is_dropped() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let mut dropped = Box::pin(stage.hold(pool.clone(), "dropped"));
    assert!(poll!(&mut dropped).is_pending());
    drop(held);
    let _held = stage.next().await;
    drop(dropped);
    assert_eq!(soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap(), 1);
    soon(first).await.unwrap().unwrap();
}

#[test]
fn a_caller_whose_runtime_nobody_drives_delays_no_other_call() {
    let (home, undriven) = (driven(), runtime());
    let (pool, stage) = home.block_on(async { (started(pool(1)).await, Stage::new()) });
    let mut calls = ["in flight", "queued"].map(|name| Box::pin(stage.hold(pool.clone(), name)));
    for call in &mut calls {
        undriven.block_on(async { assert!(poll!(call).is_pending()) });
    }
    let client = JobsClient::new(pool.clone());
    home.block_on(async {
        let last = spawn(async move { client.echo(1).await });
        queued(&pool, 2).await;
        assert_eq!(stage.next().await.name, "in flight");
        assert_eq!(stage.next().await.name, "queued");
        assert_eq!(soon(last).await.unwrap().unwrap(), 1);
    });
    for call in calls {
        undriven.block_on(soon(call)).unwrap();
    }
    home.block_on(soon(pool.close())).unwrap();
}

#[tokio::test]
async fn many_queued_oneway_messages_are_sent_one_after_the_other() {
    let (pool, stage) = (started(pool(1).queue(10_000, WhenFull::Wait)).await, Stage::new());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let notes: Vec<_> = (0..3_000)
        .map(|number| {
            let (client, path) = (JobsClient::new(pool.clone()), path.display().to_string());
            spawn(async move { client.note(path, number).await })
        })
        .collect();
    queued(&pool, 3_000).await;
    drop(held);
    soon(first).await.unwrap().unwrap();
    for note in notes {
        soon(note).await.unwrap().unwrap();
    }
    soon(pool.drain()).await.unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 3_000);
}

#[tokio::test]
async fn a_suspect_that_nobody_polls_delays_no_other_suspect() {
    let settings = pool(1).max_in_flight(2).on_crash(OnCrash::respawn());
    let (pool, stage) = (started(settings).await, Stage::new());
    let [mut first, mut second] =
        ["first", "second"].map(|name| Box::pin(stage.hold_again(pool.clone(), name)));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let _held = [stage.next().await, stage.next().await];
    kill(pids(&pool)[0]);
    // The first retry is in flight, and then nobody polls it.
    let held = tokio::select! {
        held = stage.next() => held,
        _ = &mut first => unreachable!("the call is held"),
    };
    assert_eq!(held.name, "first");
    drop(held);
    let second = spawn(second);
    assert_eq!(stage.next().await.name, "second");
    soon(second).await.unwrap().unwrap();
    soon(first).await.unwrap();
}

#[tokio::test]
async fn a_call_that_was_not_sent_and_that_nobody_polls_keeps_no_worker() {
    let timeouts = Timeouts::default().message(Duration::from_millis(100)).close(Duration::from_millis(500));
    let pool = started(pool(1).timeouts(timeouts)).await;
    let client = JobsClient::new(pool.clone());
    soon(client.spin_forever()).await.unwrap();
    // Larger than the queue of bytes to write and all buffers between host and worker.
    soon(client.length_note("x".repeat(4 << 20))).await.unwrap();
    let mut unpolled = Box::pin(client.echo(1));
    poll_once(unpolled.as_mut());
    soon(async { while client.echo(2).await.is_err() {} }).await;
    assert_eq!(pool.stats().restarts(), 1);
    assert_eq!(soon(unpolled).await.unwrap_err().kind(), ErrorKind::Timeout);
}
