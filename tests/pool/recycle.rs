//! Workers that are recycled, reloaded, or started and ended on demand.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::host::{Status, Timeouts};
use isolated_workers::protocol::{Body, Name, Request};
use isolated_workers::{ErrorKind, Service};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::spawn;

use super::jobs::JobsClient;
use super::script::Script;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn recycle_after_replaces_workers_without_a_failed_call() {
    let pool = started(pool(2).recycle_after(10).spawn_rate(1000, Duration::from_secs(1))).await;
    let client = JobsClient::new(pool.clone());
    let mut seen = HashSet::new();
    while seen.len() < 12 {
        for pid in soon(join_all((0..8).map(|_| client.pid()))).await {
            seen.insert(pid.unwrap());
        }
    }
    until(&pool, |stats| stats.workers.iter().all(|worker| worker.retiring == 0)).await;
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.crashes).sum::<u64>(), 0);
}

#[tokio::test]
async fn no_worker_starts_more_than_max_calls() {
    for (max_calls, max_in_flight) in [(1, 1), (1, 4), (3, 1), (5, 2)] {
        let settings = pool(2).max_calls(max_calls).max_in_flight(max_in_flight);
        let pool = started(settings.spawn_rate(1000, Duration::from_secs(1))).await;
        let client = JobsClient::new(pool.clone());
        let keyed = JobsClient::new(pool.with_key("key"));
        let calls = (0..20).map(|_| async { [client.pid().await.unwrap(), keyed.pid().await.unwrap()] });
        let mut counts = HashMap::<u32, u64>::new();
        for pid in soon(join_all(calls)).await.into_iter().flatten() {
            *counts.entry(pid).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count <= max_calls), "{counts:?}");
        assert_eq!(pool.stats().workers.iter().map(|worker| worker.crashes).sum::<u64>(), 0);
    }
}

#[tokio::test]
async fn a_replaced_worker_finishes_its_calls() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let old = pids(&pool)[0];
    let call = spawn(stage.hold(pool.clone(), "call"));
    let held = stage.next().await;
    let reload = spawn({
        let pool = pool.clone();
        async move { pool.reload().await }
    });
    until(&pool, |stats| stats.workers[0].retiring == 1).await;
    assert_ne!(soon(JobsClient::new(pool.clone()).pid()).await.unwrap(), old);
    assert!(!reload.is_finished());
    drop(held);
    assert_eq!(soon(call).await.unwrap().unwrap(), old);
    soon(reload).await.unwrap().unwrap();
}

#[tokio::test]
async fn workers_are_replaced_at_their_memory_and_age_limits() {
    let pool = started(pool(2).max_memory(100 << 20)).await;
    let client = JobsClient::new(pool.clone());
    let first = pids(&pool);
    client.grow(120 << 20).await.unwrap();
    until(&pool, |stats| stats.restarts() == 1).await;
    assert_eq!(first.iter().filter(|pid| pids(&pool).contains(pid)).count(), 1);

    let pool = started(super::pool(2).max_age(Duration::from_millis(300))).await;
    until(&pool, |stats| stats.workers.iter().all(|worker| worker.restarts > 0)).await;
}

#[tokio::test]
async fn reload_under_load_fails_no_call() {
    let script = Script::new("one");
    let pool = started(Pool::builder(Program::new(script.path())).workers(3).max_in_flight(4)).await;
    let is_over = AtomicBool::new(false);
    let load = join_all((0..32).map(|_| async {
        let client = JobsClient::new(pool.clone());
        let mut calls = 0;
        while !is_over.load(Ordering::SeqCst) {
            client.version().await.expect("no call fails");
            calls += 1;
        }
        calls
    }));
    let reload = async {
        for version in ["two", "three", "four"] {
            script.set_version(version);
            soon(pool.reload()).await.unwrap();
            assert_eq!(JobsClient::new(pool.clone()).version().await.unwrap(), version);
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let (calls, ()) = tokio::join!(load, reload);
    assert!(calls.iter().all(|calls| *calls > 0));
    assert_eq!(pool.stats().restarts(), 9);
}

#[tokio::test]
async fn a_failed_reload_keeps_the_running_workers() {
    let script = Script::new("one");
    let pool = started(Pool::builder(Program::new(script.path())).workers(2)).await;
    script.set("echo not today >&2; exit 3");
    let error = soon(pool.reload()).await.unwrap_err();
    assert_eq!((error.kind(), last_line(&error).as_str()), (ErrorKind::Startup, "not today"));
    assert_eq!(soon(JobsClient::new(pool.clone()).version()).await.unwrap(), "one");
    assert_eq!(pool.stats().restarts(), 0);
}

#[tokio::test]
async fn workers_start_on_demand_and_end_when_idle() {
    let builder = pool(1).size(0..=3).idle_timeout(Duration::from_millis(100));
    let (pool, stage) = (started(builder).await, Stage::new());
    assert!(pids(&pool).is_empty());
    let calls: Vec<_> = (0..5).map(|_| spawn(stage.hold(pool.clone(), "call"))).collect();
    let held = [stage.next().await, stage.next().await, stage.next().await];
    assert_eq!(pids(&pool).len(), 3);
    drop(held);
    drop((stage.next().await, stage.next().await));
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    until(&pool, |stats| stats.workers.iter().all(|worker| worker.status == Status::Closed)).await;
    assert_eq!(soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_worker_finishes_its_oneway_messages_when_it_is_replaced_or_drained() {
    for drains in [false, true] {
        let (pool, stage) = (started(pool(1)).await, Stage::new());
        let old = PidFd::open(pids(&pool)[0]);
        let client = JobsClient::new(pool.clone());
        client.hold_unanswered(stage.path(), "runs".into()).await.unwrap();
        let held = stage.next().await;
        let end = spawn(async move { if drains { pool.drain().await } else { pool.reload().await } });
        let early = tokio::task::spawn_blocking(move || old.ends_within(Duration::from_millis(200)));
        assert!(!early.await.unwrap(), "the worker ended while a oneway message was running");
        drop(held);
        assert_eq!(stage.next().await.name, "finishes");
        soon(end).await.unwrap().unwrap();
    }
}

/// A stopped worker reads nothing, so that a part of the call stays unwritten.
#[tokio::test]
async fn a_worker_that_does_not_read_is_killed_when_it_is_replaced_or_drained() {
    let timeouts = Timeouts::default().message(Duration::from_millis(50)).close(Duration::from_millis(100));
    for drains in [false, true] {
        let pool = started(pool(1).timeouts(timeouts)).await;
        let old = PidFd::open(pids(&pool)[0]);
        old.signal(Signal::STOP);
        let body = Body::from(vec![b'1'; 4 << 20]);
        let request = Request::new(Name::from_static("echo"), body);
        assert_eq!(soon(pool.call(request)).await.unwrap_err().kind(), ErrorKind::Timeout);
        if drains {
            let drained = soon(pool.drain()).await.unwrap_err();
            assert_eq!(drained.kind(), ErrorKind::Closed);
        } else {
            soon(pool.reload()).await.unwrap();
        }
        let ended = tokio::task::spawn_blocking(move || old.ends_within(HANG_TIMEOUT));
        assert!(ended.await.unwrap(), "a stopped worker was not killed");
    }
}

#[tokio::test]
async fn a_permit_that_was_given_back_unused_is_no_call() {
    let calls = 40;
    let settings = pool(1).max_in_flight(50).max_calls(calls);
    let pool = started(settings.spawn_rate(1000, Duration::from_secs(1))).await;
    let client = JobsClient::new(pool.clone());
    // Most of them wait for room in the queue of bytes to write, some more than once.
    let notes = (0..calls).map(|_| client.length_note("x".repeat(700 << 10)));
    for sent in soon(join_all(notes)).await {
        sent.unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.workers[0].done, stats.workers[0].restarts), (calls, 0));
}
