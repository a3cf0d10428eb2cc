//! Calls that had a permit, and whose worker died before they were sent.

use isolated_workers::ErrorKind;
use isolated_workers::pool::{WhenFull, WorkerId};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::spawn;
use tokio::task::JoinHandle;

use super::jobs::JobsClient;
use super::*;

/// Size in bytes of a request that does not fit into the buffer of a socket.
const LARGE: usize = 4 << 20;

type Calls = Vec<JoinHandle<Result<usize, Error>>>;

/// Makes calls of which the first is partly sent, and the others are not. The worker is stopped.
async fn unsent(pool: &Pool, others: usize) -> (PidFd, Calls) {
    let worker = PidFd::open(pids(pool)[0]);
    worker.signal(Signal::STOP);
    let mut calls = Calls::new();
    for number in 1..=1 + others {
        let client = JobsClient::new(pool.clone());
        calls.push(spawn(async move { client.length("x".repeat(LARGE)).await }));
        soon(async {
            while pool.stats().workers[0].in_flight < number as u32 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    (worker, calls)
}

/// Checks that all calls except the first have run.
async fn assert_run(calls: Calls) {
    let mut calls = calls.into_iter();
    let first = soon(calls.next().unwrap()).await.unwrap();
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Crashed);
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap(), LARGE);
    }
}

#[tokio::test]
async fn a_call_that_was_not_sent_runs_although_its_pool_drains() {
    let pool = started(pool(1).max_in_flight(4)).await;
    let (worker, calls) = unsent(&pool, 2).await;
    let drain = spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    let refused = JobsClient::new(pool.on(WorkerId(99)));
    soon(async {
        while !refused.echo(1).await.unwrap_err().to_string().contains("is closed or draining") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    worker.signal(Signal::KILL);
    assert_run(calls).await;
    soon(drain).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_was_not_sent_is_not_refused_because_the_queue_is_full() {
    let pool = started(pool(1).max_in_flight(4).queue(0, WhenFull::Reject)).await;
    let (worker, calls) = unsent(&pool, 2).await;
    worker.signal(Signal::KILL);
    assert_run(calls).await;
}

#[tokio::test]
async fn a_caller_that_does_not_make_its_call_again_keeps_no_pool_from_draining() {
    let pool = started(pool(1).max_in_flight(4)).await;
    let (worker, calls) = unsent(&pool, 0).await;
    let client = JobsClient::new(pool.clone());
    let mut unpolled = Box::pin(client.length("x".repeat(LARGE)));
    assert!(futures_util::poll!(&mut unpolled).is_pending());
    worker.signal(Signal::KILL);
    soon(pool.drain()).await.unwrap();
    assert_run(calls).await;
    let error = soon(unpolled).await.unwrap_err();
    assert_error(&error, ErrorKind::Closed, &["could not call `length`"]);
}
