//! The end of a pool.

use isolated_workers::{ErrorKind, Executed};
use rustix::process::{Pid, test_kill_process};
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

fn is_there(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.cast_signed()).unwrap()).is_ok()
}

#[tokio::test]
async fn a_pool_that_is_drained_finishes_what_runs_and_what_waits() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let calls = [spawn(stage.hold(pool.clone(), "runs")), spawn(stage.hold(pool.clone(), "waits"))];
    let held = stage.next().await;
    queued(&pool, 1).await;
    let pids = pids(&pool);
    let mut drain = Box::pin(pool.drain());
    assert!(futures_util::poll!(&mut drain).is_pending());
    // The owner hears of it in its own task.
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
    assert!(pids.iter().all(|pid| !is_there(*pid)));
}

#[tokio::test]
async fn a_pool_that_is_closed_or_killed_fails_what_runs_and_what_waits() {
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
        assert!(pids.iter().all(|pid| !is_there(*pid)));
        let error = soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
        assert!(error.to_string().contains("was closed or is being drained"), "{error}");
        soon(pool.drain()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pool_ends_with_its_last_handle() {
    let pool = started(pool(2)).await;
    let (pids, mut watch) = (pids(&pool), pool.watch());
    let view = pool.with_key(1);
    drop(pool);
    assert_eq!(soon(JobsClient::new(view).echo(1)).await.unwrap(), 1);
    // The client was the last one.
    soon(async { while watch.changed().await.is_ok() {} }).await;
    assert!(pids.iter().all(|pid| !is_there(*pid)));
}
