//! Warm workers that take the place of others.

use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::host::{OnCrash, OnTimeout, Timeouts};
use isolated_workers::pool::WorkerId;
use isolated_workers_test_support::process::PidFd;
use tokio::spawn;

use super::jobs::JobsClient;
use super::script::Script;
use super::stage::Stage;
use super::*;

/// Starts a pool and waits until its spares are up. Returns their process ids.
async fn started_with_spares(builder: PoolBuilder, spares: usize) -> (Pool, Vec<u32>) {
    let pool = started(builder.spare(spares)).await;
    let pids = ready(&pool, spares).await;
    (pool, pids)
}

/// Waits until this number of spares is up. Returns their process ids.
async fn ready(pool: &Pool, spares: usize) -> Vec<u32> {
    until(pool, |stats| stats.spares.ready == spares).await;
    pool.stats().spares.pids
}

/// Waits until the spare with this process id is no more.
async fn gone(pool: &Pool, pid: u32) {
    until(pool, |stats| !stats.spares.pids.contains(&pid)).await;
}

#[tokio::test]
async fn a_spare_takes_the_place_of_a_worker_that_crashed() {
    // Without the spare, nothing takes the place for an hour.
    let hour = Duration::from_secs(3600);
    let builder = pool(1).on_crash(OnCrash::reject().backoff(hour, hour));
    let (pool, spares) = started_with_spares(builder, 1).await;
    let client = JobsClient::new(pool.clone());
    assert_ne!(pids(&pool), spares);
    assert!(soon(client.abort()).await.is_err());
    assert_eq!(soon(client.pid()).await.unwrap(), spares[0]);
    let stats = pool.stats();
    assert_eq!((stats.restarts(), stats.workers[0].crashes, stats.spares.crashes), (1, 1, 0));
    assert_eq!((stats.spares.ready, stats.spares.starting), (0, 0), "the next spare waits for the backoff");
}

#[tokio::test]
async fn another_spare_is_started_for_one_that_was_taken() {
    let builder = pool(1).on_crash(OnCrash::reject().backoff(Duration::ZERO, Duration::ZERO));
    let (pool, mut spares) = started_with_spares(builder, 1).await;
    let client = JobsClient::new(pool.clone());
    for _ in 0..5 {
        assert!(soon(client.abort()).await.is_err());
        assert_eq!(soon(client.pid()).await.unwrap(), spares[0]);
        gone(&pool, spares[0]).await;
        spares = ready(&pool, 1).await;
    }
}

#[tokio::test]
async fn a_spare_takes_the_place_of_a_worker_that_was_killed_or_hung() {
    for on_timeout in [OnTimeout::Kill, OnTimeout::Cancel] {
        let timeouts = Timeouts::default().cancel(Duration::from_millis(200));
        let builder = pool(1).on_timeout(on_timeout).timeouts(timeouts);
        let (pool, spares) = started_with_spares(builder, 1).await;
        let client = JobsClient::new(pool.clone());
        assert!(soon(client.spin()).await.is_err());
        assert_eq!(soon(client.pid()).await.unwrap(), spares[0]);
        assert_eq!(pool.stats().hung(), u64::from(on_timeout == OnTimeout::Cancel));
    }
}

#[tokio::test]
async fn each_call_may_have_a_process_of_its_own_without_a_start() {
    let (pool, spares) = started_with_spares(pool(1).max_calls(1), 2).await;
    let client = JobsClient::new(pool.clone());
    let first = soon(client.pid()).await.unwrap();
    assert!(!spares.contains(&first));
    // The oldest spare is first.
    assert_eq!(soon(client.pid()).await.unwrap(), spares[0]);
}

#[tokio::test]
async fn a_spare_replaces_a_worker_that_is_recycled() {
    let (pool, spares) = started_with_spares(pool(1).recycle_after(3), 1).await;
    let client = JobsClient::new(pool.clone());
    for number in 0..3 {
        assert_eq!(soon(client.echo(number)).await.unwrap(), number);
    }
    until(&pool, |stats| stats.workers[0].pid == Some(spares[0])).await;
}

#[tokio::test]
async fn a_reload_replaces_the_spares() {
    let script = Script::new("1");
    let builder = Pool::builder(Program::new(script.path())).workers(2);
    let (pool, old) = started_with_spares(builder, 1).await;
    script.set_version("2");
    soon(pool.reload()).await.unwrap();
    gone(&pool, old[0]).await;
    let spares = ready(&pool, 1).await;
    let crashing = JobsClient::new(pool.on(WorkerId(0)));
    assert!(soon(crashing.abort()).await.is_err());
    assert_eq!(soon(crashing.pid()).await.unwrap(), spares[0]);
    assert_eq!(soon(crashing.version()).await.unwrap(), "2");
}

#[tokio::test]
async fn an_empty_pool_answers_its_first_call_with_a_spare() {
    let builder = Pool::builder(Program::new(WORKER)).size(0..=1).idle_timeout(Duration::from_millis(50));
    let (pool, mut spares) = started_with_spares(builder, 1).await;
    assert!(pids(&pool).is_empty());
    for _ in 0..2 {
        assert_eq!(soon(JobsClient::new(pool.clone()).pid()).await.unwrap(), spares[0]);
        until(&pool, |stats| stats.workers[0].pid.is_none()).await;
        // Spares do not end although they are idle.
        gone(&pool, spares[0]).await;
        spares = ready(&pool, 1).await;
    }
}

#[tokio::test]
async fn a_spare_that_dies_is_replaced_and_costs_nothing() {
    let builder = pool(1).on_crash(OnCrash::reject().backoff(Duration::ZERO, Duration::ZERO));
    let (pool, spares) = started_with_spares(builder, 2).await;
    let worker = pids(&pool);
    kill(spares[0]);
    gone(&pool, spares[0]).await;
    let next = ready(&pool, 2).await;
    assert_eq!((next[0], pids(&pool)), (spares[1], worker));
    let stats = pool.stats();
    assert_eq!((stats.spares.crashes, stats.workers[0].crashes, stats.restarts()), (1, 0, 0));
}

#[tokio::test]
async fn spares_that_do_not_come_up_leave_the_workers_alone() {
    let script = Script::new("1");
    let builder = Pool::builder(Program::new(script.path()))
        .workers(1)
        .on_crash(OnCrash::reject().backoff(Duration::ZERO, Duration::ZERO))
        .restart_limit(2, Duration::from_secs(3600));
    let (pool, spares) = started_with_spares(builder, 1).await;
    script.set("exit 3");
    kill(spares[0]);
    until(&pool, |stats| stats.is_broken).await;
    assert_eq!(soon(JobsClient::new(pool.clone()).version()).await.unwrap(), "1");
    // It comes up again, and with it a spare.
    script.set_version("2");
    ready(&pool, 1).await;
    assert!(!pool.stats().is_broken);
}

#[tokio::test]
async fn a_pool_ends_with_its_spares() {
    for drains in [true, false] {
        let (pool, spares) = started_with_spares(pool(1), 2).await;
        let processes: Vec<_> = spares.into_iter().map(PidFd::open).collect();
        soon(async { if drains { pool.drain().await } else { pool.close().await } }).await.unwrap();
        assert!(processes.iter().all(PidFd::has_ended));
    }
}

#[tokio::test]
async fn a_queued_call_of_a_pool_that_drains_may_run_in_a_spare() {
    let (pool, spares) = started_with_spares(pool(1), 1).await;
    let stage = Stage::new();
    let call = spawn(stage.hold(pool.clone(), "first"));
    let _held = stage.next().await;
    let queued_call = spawn(stage.hold(pool.clone(), "second"));
    queued(&pool, 1).await;
    let mut drain = Box::pin(pool.drain());
    assert!(futures_util::poll!(&mut drain).is_pending());
    kill(pids(&pool)[0]);
    assert!(soon(call).await.unwrap().is_err());
    drop(stage.next().await);
    assert_eq!(soon(queued_call).await.unwrap().unwrap(), spares[0]);
    soon(drain).await.unwrap();
}

#[tokio::test]
async fn spares_without_a_bound_are_refused() {
    let error = pool(1).spare(10_001).spawn().await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["`spare` of 10001 workers"]);
}
