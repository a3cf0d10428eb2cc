//! Workers that announce their end, for example after a SIGTERM.

use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::host::Timeouts;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn a_replacement_serves_while_a_worker_that_leaves_finishes_its_call() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let (old, client) = (pids(&pool)[0], JobsClient::new(pool.clone()));
    let call = spawn(stage.hold(pool.clone(), "call"));
    let held = stage.next().await;
    PidFd::open(old).signal(Signal::TERM);
    for pid in soon(join_all((0..20).map(|_| client.pid()))).await {
        assert_ne!(pid.unwrap(), old);
    }
    let worker = &pool.stats().workers[0];
    assert_eq!((worker.retiring, worker.crashes), (1, 0));
    drop(held);
    assert_eq!(soon(call).await.unwrap().unwrap(), old);
    until(&pool, |stats| stats.workers[0].retiring == 0).await;
}

#[tokio::test]
async fn a_worker_whose_oneway_message_never_ends_keeps_no_place() {
    let timeouts = Timeouts::default().drain(Duration::from_millis(100)).close(Duration::from_millis(100));
    let pool = started(pool(2).timeouts(timeouts)).await;
    let client = JobsClient::new(pool.clone());
    let old = pids(&pool);
    for pid in &old {
        client.hold_forever().await.unwrap();
        PidFd::open(*pid).signal(Signal::TERM);
    }
    let processes: Vec<_> = old.iter().filter_map(|pid| PidFd::try_open(*pid)).collect();
    // No call fails or waits for a worker that leaves.
    soon(async { while old.contains(&client.pid().await.unwrap()) {} }).await;
    let ended = tokio::task::spawn_blocking(move || processes.iter().all(|it| it.ends_within(HANG_TIMEOUT)));
    assert!(ended.await.unwrap(), "a worker that leaves was not killed");
    assert_eq!(pool.stats().workers.len(), 2);
}
