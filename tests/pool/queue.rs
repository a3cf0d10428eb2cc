//! Queue of calls: order, fairness, timeouts and limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use isolated_workers::error::Executed;
use isolated_workers::layer::{Deadline, Timeout};
use isolated_workers::pool::{WhenFull, WorkerId};
use isolated_workers::{ErrorKind, ServiceExt};
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn calls_run_by_priority_and_then_by_age() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let mut held = stage.next().await;
    let mut calls = Vec::new();
    for (at, (name, priority)) in [("c", 0), ("a", 7), ("d", 0), ("b", 7), ("e", -1)].into_iter().enumerate()
    {
        calls.push(spawn(stage.hold(pool.with_priority(priority), name)));
        queued(&pool, at + 1).await;
    }
    for name in ["a", "b", "c", "d", "e"] {
        drop(held);
        held = stage.next().await;
        assert_eq!(held.name, name);
    }
}

#[tokio::test]
async fn a_low_priority_call_waits_for_at_most_sixteen_others() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let mut held = stage.next().await;
    let _patient = spawn(stage.hold(pool.clone(), "patient"));
    queued(&pool, 1).await;
    let mut calls = Vec::new();
    for turn in 0.. {
        assert!(turn < 17, "the low-priority call starves");
        // There is always a call with a higher priority.
        calls.push(spawn(stage.hold(pool.with_priority(1), "urgent")));
        queued(&pool, 2).await;
        drop(held);
        held = stage.next().await;
        if held.name == "patient" {
            break;
        }
    }
    assert_eq!(calls.len(), 16);
}

#[tokio::test]
async fn a_call_that_reaches_its_deadline_in_the_queue_was_not_run() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let _held = stage.next().await;
    let limit = Duration::from_millis(50);
    let by_timeout = JobsClient::new(pool.clone().wrapped_by(Timeout::new(limit)));
    let by_deadline = JobsClient::new(pool.clone().wrapped_by(Deadline::within(limit)));
    for error in [soon(by_timeout.pid()).await, soon(by_deadline.pid()).await].map(Result::unwrap_err) {
        assert_error(&error, ErrorKind::Timeout, &["was free before its deadline"]);
        assert_eq!(error.executed(), Executed::No, "{error}");
    }
}

#[tokio::test]
async fn a_cancelled_call_leaves_the_queue_or_frees_its_worker() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let _held = stage.next().await;
    let dropped = spawn(stage.hold(pool.clone(), "dropped"));
    queued(&pool, 1).await;
    let _last = spawn(stage.hold(pool.clone(), "last"));
    queued(&pool, 2).await;
    dropped.abort();
    queued(&pool, 1).await;
    first.abort();
    assert_eq!(stage.next().await.name, "last");
}

#[tokio::test]
async fn a_queued_call_fails_after_the_queue_timeout() {
    let (pool, stage) = (started(pool(1).queue_timeout(Duration::from_millis(50))).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let error = soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::No));
    assert!(error.to_string().contains("`queue_timeout`"), "{error}");
    assert_eq!(pool.stats().queued, 0);
    drop(held);
    assert_eq!(soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap(), 1);
}

#[test]
fn a_queued_call_without_a_runtime_fails_after_the_queue_timeout() {
    let home = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let settings = pool(1).queue_timeout(Duration::from_millis(50));
    let (pool, stage) = home.block_on(async { (started(settings).await, Stage::new()) });
    let _first = home.spawn(stage.hold(pool.clone(), "first"));
    let _held = home.block_on(stage.next());
    let error = block_on_thread(JobsClient::new(pool.clone()).echo(1)).unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`queue_timeout`"]);
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = without_timers.block_on(JobsClient::new(pool.clone()).echo(1)).unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`queue_timeout`"]);
}

#[tokio::test]
async fn a_full_queue_waits_rejects_or_drops_the_oldest() {
    for when_full in [WhenFull::Wait, WhenFull::Reject, WhenFull::DropOldest] {
        let (pool, stage) = (started(pool(1).queue(2, when_full)).await, Stage::new());
        let mut calls = vec![spawn(stage.hold(pool.clone(), "first"))];
        let held = stage.next().await;
        for (waiting, name) in [(1, "a"), (2, "b")] {
            calls.push(spawn(stage.hold(pool.clone(), name)));
            queued(&pool, waiting).await;
        }
        calls.push(spawn(stage.hold(pool.clone(), "c")));
        let refused = match when_full {
            WhenFull::Wait => {
                queued(&pool, 3).await;
                None
            }
            WhenFull::Reject => Some(3),
            _ => Some(1),
        };
        if let Some(at) = refused {
            let error = soon(calls.remove(at)).await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::No), "{error}");
        }
        drop(held);
        let expected: &[&str] = match when_full {
            WhenFull::Wait => &["a", "b", "c"],
            WhenFull::Reject => &["a", "b"],
            _ => &["b", "c"],
        };
        for name in expected {
            assert_eq!(stage.next().await.name, *name, "{when_full:?}");
        }
        for call in calls {
            soon(call).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_busy_worker_does_not_delay_calls_for_other_workers() {
    let (pool, stage) = (started(pool(2)).await, Stage::new());
    let _busy = spawn(stage.hold(pool.on(WorkerId(0)), "busy"));
    let _held = stage.next().await;
    let _waits = spawn(stage.hold(pool.on(WorkerId(0)), "waits"));
    queued(&pool, 1).await;
    for number in 0..20 {
        assert_eq!(soon(JobsClient::new(pool.clone()).echo(number)).await.unwrap(), number);
    }
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    for (builder, why) in [
        (pool(0), "invalid pool size 0..=0"),
        (pool(1).size(RangeInclusive::new(3, 2)), "invalid pool size 3..=2"),
        (pool(1).max_in_flight(0), "`max_in_flight` is 0"),
        (pool(1).spawn_rate(0, Duration::from_secs(1)), "`spawn_rate` is 0"),
    ] {
        let error = builder.spawn().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(why), "{error}");
    }
}
