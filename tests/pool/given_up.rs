//! Calls that were given up while their handlers run on.

use std::time::Duration;

use isolated_workers::host::{OnCrash, OnTimeout, Timeouts};
use isolated_workers::layer::Timeout;
use isolated_workers::{ErrorKind, ServiceExt};
use isolated_workers_test_support::process::PidFd;
use tokio::spawn;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

pub(super) fn given_up(stats: &Stats) -> u32 {
    stats.workers.iter().map(|worker| worker.given_up).sum()
}

/// Waits until this number of calls is given up. Polls, because the pool sends no notification.
pub(super) async fn until_given_up(pool: &Pool, calls: u32) {
    soon(async {
        while given_up(&pool.stats()) != calls {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_blocking_handler_keeps_its_permit_until_its_thread_ends() {
    for on_timeout in [OnTimeout::Cancel, OnTimeout::Abandon] {
        // The pool never replaces the worker.
        let timeouts = Timeouts::default().cancel(Duration::ZERO).message(Duration::from_millis(50));
        let settings = pool(1).timeouts(timeouts).on_timeout(on_timeout);
        let (pool, stage) = (started(settings).await, Stage::new());
        let call = spawn(stage.block(pool.clone(), "timed out"));
        let held = stage.next().await;
        assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        until_given_up(&pool, 1).await;
        let next = spawn(stage.hold(pool.clone(), "next"));
        queued(&pool, 1).await;
        drop(held);
        assert_eq!(stage.next().await.name, "next");
        assert_eq!(given_up(&pool.stats()), 0);
        let _ = soon(next).await;
    }
}

#[tokio::test]
async fn dropped_blocking_calls_run_one_at_a_time() {
    let timeouts = Timeouts::default().cancel(Duration::ZERO);
    let (pool, stage) = (started(pool(1).timeouts(timeouts)).await, Stage::new());
    let first = spawn(stage.block(pool.clone(), "first"));
    let held = stage.next().await;
    first.abort();
    until_given_up(&pool, 1).await;
    for number in 0..5 {
        let call = spawn(stage.block(pool.clone(), &format!("dropped {number}")));
        queued(&pool, 1).await;
        call.abort();
        queued(&pool, 0).await;
    }
    let last = spawn(stage.block(pool.clone(), "last"));
    queued(&pool, 1).await;
    drop(held);
    // No call that left the queue has run.
    assert_eq!(stage.next().await.name, "last");
    soon(last).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_given_up_call_that_crashes_its_worker_is_not_charged_to_the_next_call() {
    let (pool, stage) = (started(pool(1).max_in_flight(2).on_crash(OnCrash::retry(1))).await, Stage::new());
    let path = stage.path();
    let client = JobsClient::new(pool.clone());
    let given_up_call = spawn(async move { client.block_and_abort(path, "aborts".to_owned()).await });
    let held = stage.next().await;
    given_up_call.abort();
    until_given_up(&pool, 1).await;
    let neighbor = spawn(stage.hold(pool.clone(), "neighbor"));
    let _neighbor_held = stage.next().await;
    drop(held);
    let error = soon(neighbor).await.unwrap().unwrap_err();
    let crash = error.crash().unwrap();
    assert_eq!((crash.given_up, crash.is_poison()), (1, false));
    assert!(error.to_string().contains("still running 1 given-up call"), "{error}");
    assert_eq!(soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap(), 1);
}

/// Larger than the queue of bytes to write and all buffers between host and worker.
const LARGE: usize = 4 << 20;

/// Settings with a short timeout of calls and of hung workers.
fn impatient(max_in_flight: u32) -> PoolBuilder {
    let timeouts = Timeouts::default().message(Duration::from_millis(100)).cancel(Duration::from_millis(500));
    pool(1).max_in_flight(max_in_flight).timeouts(timeouts)
}

/// Calls until a worker answers.
async fn until_answered(client: &JobsClient<Pool>) {
    soon(async { while client.echo(1).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_worker_that_stopped_reading_is_replaced_although_calls_keep_coming() {
    for max_in_flight in [1, 4] {
        let pool = started(impatient(max_in_flight)).await;
        let client = JobsClient::new(pool.clone());
        let stopped = PidFd::open(pids(&pool)[0]);
        stopped.signal(rustix::process::Signal::STOP);
        assert_eq!(soon(client.length("x".repeat(LARGE))).await.unwrap_err().kind(), ErrorKind::Timeout);
        until_answered(&client).await;
        assert_eq!(pool.stats().restarts(), 1);
    }
}

#[tokio::test]
async fn a_worker_that_does_not_read_oneway_messages_is_replaced() {
    for on_timeout in [OnTimeout::Cancel, OnTimeout::Kill] {
        let pool = started(impatient(1).on_timeout(on_timeout)).await;
        let client = JobsClient::new(pool.clone());
        soon(client.spin_forever()).await.unwrap();
        soon(client.length_note("x".repeat(LARGE))).await.unwrap();
        let error = soon(client.length_note("x".repeat(LARGE))).await.unwrap_err();
        assert_eq!(error.to_string().contains("was killed"), on_timeout == OnTimeout::Kill, "{error}");
        until_answered(&client).await;
        assert_eq!(pool.stats().restarts(), 1);
    }
}

/// A layer limits the whole call, also the time in the queue.
#[tokio::test]
async fn a_call_that_exceeds_the_limit_of_a_layer_after_it_was_queued_kills_its_worker() {
    let timeouts = Timeouts::default().cancel(HANG_TIMEOUT * 10);
    let pool = started(pool(1).timeouts(timeouts).on_timeout(OnTimeout::Kill)).await;
    let stage = Stage::new();
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let limited = pool.clone().wrapped_by(Timeout::new(Duration::from_secs(1)));
    let (client, path) = (JobsClient::new(limited), stage.path());
    let hanging = spawn(async move { client.hang(path, "hangs".to_owned()).await });
    queued(&pool, 1).await;
    // Longer than the layer gives its call to end by itself.
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(held);
    soon(first).await.unwrap().unwrap();
    until(&pool, |stats| stats.restarts() == 1).await;
    assert_eq!(soon(hanging).await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}
