//! Dispatch: the worker in which a call runs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::host::Status;
use isolated_workers::layer::{Next, from_fn};
use isolated_workers::pool::WorkerId;
use isolated_workers::protocol::Request;
use tokio::spawn;

use super::jobs::JobsClient;
use super::jobs::jobs::Pid;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn all_workers_are_up_when_spawn_returns() {
    let pool = started(pool(3)).await;
    let stats = pool.stats();
    assert_eq!(stats.workers.len(), 3);
    for worker in &stats.workers {
        assert_eq!((worker.status, worker.in_flight, worker.restarts), (Status::Active, 0, 0));
        assert!(worker.pid.is_some() && worker.memory.is_some_and(|bytes| bytes > 100 << 10));
    }
    assert_eq!(pids(&pool).into_iter().collect::<HashSet<_>>().len(), 3);
}

#[tokio::test]
async fn calls_run_in_free_workers_and_wait_if_there_are_none() {
    let (pool, stage) = (started(pool(2)).await, Stage::new());
    let calls: Vec<_> = ["a", "b", "c"].map(|name| spawn(stage.hold(pool.clone(), name))).into();
    let (first, second) = (stage.next().await, stage.next().await);
    queued(&pool, 1).await;
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.in_flight).collect::<Vec<_>>(), [1, 1]);
    drop(first);
    let third = stage.next().await;
    assert_eq!(third.name, "c");
    drop((second, third));
    let ran: Vec<u32> = soon(join_all(calls)).await.into_iter().map(|pid| pid.unwrap().unwrap()).collect();
    assert_ne!(ran[0], ran[1]);
    assert_eq!(pool.stats().waits.count, 1);
}

#[tokio::test]
async fn a_worker_has_at_most_max_in_flight_calls() {
    let (pool, stage) = (started(pool(2).max_in_flight(3)).await, Stage::new());
    let _calls: Vec<_> = (0..7).map(|_| spawn(stage.hold(pool.clone(), "call"))).collect();
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(stage.next().await);
    }
    queued(&pool, 1).await;
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.in_flight).collect::<Vec<_>>(), [3, 3]);
}

#[tokio::test]
async fn calls_with_the_same_key_run_in_one_worker_and_its_successors() {
    let pool = started(pool(4)).await;
    let mut workers = HashSet::new();
    for key in 0..40 {
        let client = JobsClient::new(pool.with_key(key));
        let pid = client.pid().await.unwrap();
        assert_eq!(client.pid().await.unwrap(), pid);
        workers.insert(pid);
    }
    assert_eq!(workers.len(), 4, "keys are spread over all workers");

    let client = JobsClient::new(pool.with_key("user-7"));
    let pid = client.pid().await.unwrap();
    let at = pool.stats().workers.iter().position(|worker| worker.pid == Some(pid)).unwrap();
    kill(pid);
    until(&pool, |stats| stats.workers[at].restarts == 1).await;
    let successor = client.pid().await.unwrap();
    assert_eq!(pool.stats().workers[at].pid, Some(successor));
}

#[tokio::test]
async fn on_calls_one_worker_and_broadcast_calls_all() {
    let pool = started(pool(3)).await;
    for (at, pid) in pids(&pool).into_iter().enumerate() {
        assert_eq!(JobsClient::new(pool.on(WorkerId(at))).pid().await.unwrap(), pid);
    }
    let answers = soon(pool.broadcast(&Pid {})).await;
    let answers: Vec<u32> = answers.into_iter().map(|(_, answer)| answer.unwrap()).collect();
    assert_eq!(answers, pids(&pool));

    let error = JobsClient::new(pool.on(WorkerId(3))).pid().await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    assert!(error.to_string().contains("no such worker"), "{error}");
}

#[tokio::test]
async fn call_options_pass_through_middleware() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let counting = from_fn(async |request: Request, next: Next<'_>| {
        SEEN.fetch_add(1, Ordering::SeqCst);
        next.call(request).await
    });
    let pool = soon(pool(2).layer(counting).spawn()).await.unwrap();
    let pids: Vec<_> = pool.stats().workers.iter().map(|worker| worker.pid.unwrap()).collect();
    for at in [0, 1, 1, 0] {
        assert_eq!(JobsClient::new(pool.on(WorkerId(at))).pid().await.unwrap(), pids[at]);
    }
    assert_eq!(SEEN.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_future_of_a_call_has_at_most_192_bytes() {
    let pool = started(pool(1)).await;
    let client = JobsClient::new(pool.clone());
    let call = client.hold("a path".to_owned(), "a name".to_owned());
    assert!(size_of_val(&call) <= 192, "{} bytes", size_of_val(&call));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_gets_a_permit_while_many_threads_compete_for_few() {
    let pool = started(pool(2).max_in_flight(2)).await;
    let callers = (0..8_u64).map(|caller| {
        let pool = pool.clone();
        spawn(async move {
            for call in 0..2_000 {
                let number = caller << 32 | call;
                let answer = match call % 8 {
                    0 => JobsClient::new(pool.with_key(number)).echo(number).await,
                    1 => JobsClient::new(pool.with_priority(1)).echo(number).await,
                    2 => {
                        // Cancels the call after its first poll, in any state.
                        let client = JobsClient::new(pool.clone());
                        drop(futures_util::poll!(Box::pin(client.echo(number))));
                        Ok(number)
                    }
                    _ => JobsClient::new(pool.clone()).echo(number).await,
                };
                assert_eq!(answer.unwrap(), number);
            }
        })
    });
    for caller in soon(join_all(callers)).await {
        caller.unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.workers.iter().map(|worker| worker.in_flight).sum::<u32>()), (0, 0));
    let done: u64 = stats.workers.iter().map(|worker| worker.done).sum();
    assert!((14_000..=16_000).contains(&done), "{done} calls had a permit");
}
