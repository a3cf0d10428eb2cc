//! Drain, close and kill of a pool.

use futures_util::poll;
use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers_test_support::process::PidFd;
use rustix::process::{Pid, test_kill_process};
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

fn is_running(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.cast_signed()).unwrap()).is_ok()
}

#[tokio::test]
async fn drain_finishes_running_and_queued_calls() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let calls = [spawn(stage.hold(pool.clone(), "runs")), spawn(stage.hold(pool.clone(), "waits"))];
    let held = stage.next().await;
    queued(&pool, 1).await;
    let pids = pids(&pool);
    let mut drain = Box::pin(pool.drain());
    assert!(futures_util::poll!(&mut drain).is_pending());
    // The supervisor starts to drain in its own task, so calls are refused a little later.
    let refused = soon(async {
        loop {
            if let Err(error) = JobsClient::new(pool.with_priority(1)).echo(1).await {
                break error;
            }
        }
    });
    let release = async {
        drop(held);
        drop(stage.next().await);
    };
    let (drained, error, ()) = soon(async { tokio::join!(drain, refused, release) }).await;
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    drained.unwrap();
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    assert!(pids.iter().all(|pid| !is_running(*pid)));
}

#[tokio::test]
async fn close_and_kill_fail_running_and_queued_calls() {
    for kills in [false, true] {
        let (pool, stage) = (started(pool(1)).await, Stage::new());
        let calls = [spawn(stage.hold(pool.clone(), "runs")), spawn(stage.hold(pool.clone(), "waits"))];
        let _held = stage.next().await;
        queued(&pool, 1).await;
        let pids = pids(&pool);
        if kills {
            pool.kill();
            soon(pool.closed()).await;
        } else {
            soon(pool.close()).await.unwrap();
        }
        for call in calls {
            assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        }
        assert!(pids.iter().all(|pid| !is_running(*pid)));
        let error = soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
        assert!(error.to_string().contains("is closed or draining"), "{error}");
        assert_eq!(soon(pool.reload()).await.unwrap_err().kind(), ErrorKind::Closed);
        soon(pool.drain()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pool_closes_when_its_last_handle_is_dropped() {
    let pool = started(pool(2)).await;
    let (pids, mut watch) = (pids(&pool), pool.watch());
    let scoped = pool.with_key(1);
    drop(pool);
    assert_eq!(soon(JobsClient::new(scoped).echo(1)).await.unwrap(), 1);
    // The client had the last handle.
    soon(async { while watch.changed().await.is_ok() {} }).await;
    assert!(pids.iter().all(|pid| !is_running(*pid)));
}

#[tokio::test]
async fn a_drain_finishes_calls_that_were_not_sent_yet() {
    let pool = started(pool(1).max_in_flight(16)).await;
    let client = JobsClient::new(pool.clone());
    let worker = PidFd::open(pids(&pool)[0]);
    worker.signal(rustix::process::Signal::STOP);
    // More than the queue of bytes to write and all buffers between host and worker.
    let length = 1 << 20;
    let mut calls: Vec<_> = (0..8).map(|_| Box::pin(client.length("x".repeat(length)))).collect();
    for call in &mut calls {
        assert!(poll!(call).is_pending());
    }
    let mut drain = Box::pin(pool.drain());
    assert!(poll!(&mut drain).is_pending());
    worker.signal(rustix::process::Signal::CONT);
    let results = soon(futures_util::future::join_all(calls));
    let (results, drained) = tokio::join!(results, soon(drain));
    drained.unwrap();
    for result in results {
        assert_eq!(result.unwrap(), length);
    }
}
