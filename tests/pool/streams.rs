//! Calls with streams in a pool.

use futures_util::{FutureExt, StreamExt, TryStreamExt, poll, stream};
use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::host::OnCrash;
use isolated_workers::service::StreamingReply;
use isolated_workers_test_support::runtime;
use tokio::spawn;
use tokio::sync::oneshot;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

type Numbers<'a> = StreamingReply<'a, u64, Error>;

async fn next(numbers: &mut Numbers<'_>) -> u64 {
    soon(numbers.next()).await.unwrap().unwrap()
}

/// Takes the items that are left, and returns the error after them with their number.
async fn error_after(numbers: &mut Numbers<'_>) -> (u64, Error) {
    let mut left = 0;
    loop {
        match soon(numbers.next()).await.expect("the stream has ended without an error") {
            Ok(_) => left += 1,
            Err(error) => {
                assert!(soon(numbers.next()).await.is_none());
                return (left, error);
            }
        }
    }
}

fn in_flight(pool: &Pool) -> u32 {
    pool.stats().workers.iter().map(|worker| worker.in_flight).sum()
}

#[tokio::test]
async fn a_stream_holds_its_permit_until_its_end() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let mut numbers = client.count(stage.path(), "stream".into(), 10_000, 1);
    assert_eq!(next(&mut numbers).await, 0);
    let waits = spawn(stage.hold(pool.clone(), "waits"));
    queued(&pool, 1).await;
    assert_eq!(in_flight(&pool), 1);
    for number in 1..10_000 {
        assert_eq!(next(&mut numbers).await, number);
    }
    let held = stage.next().await;
    assert_eq!((held.name.as_str(), pool.stats().queued, in_flight(&pool)), ("stream", 1, 1));
    drop(held);
    assert_eq!(next(&mut numbers).await, 10_000);
    assert!(soon(numbers.next()).await.is_none());
    assert_eq!(stage.next().await.name, "waits");
    soon(waits).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_stream_frees_its_permit() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    for taken in [0, 3] {
        let mut numbers = client.count(stage.path(), "stream".into(), taken, 1);
        for number in 0..taken {
            assert_eq!(next(&mut numbers).await, number);
        }
        assert!(poll!(numbers.next().boxed_local()).is_pending());
        let _held = stage.next().await;
        let waits = spawn(stage.hold(pool.clone(), "waits"));
        queued(&pool, 1).await;
        drop(numbers);
        assert_eq!(stage.next().await.name, "waits");
        soon(waits).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_queued_stream_starts_without_being_polled_and_loses_no_items() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let mut numbers = client.count(stage.path(), "stream".into(), 0, 10_000);
    assert!(poll!(numbers.next().boxed_local()).is_pending());
    assert_eq!(pool.stats().queued, 1);
    drop(held);
    soon(first).await.unwrap().unwrap();
    assert_eq!(stage.next().await.name, "stream");
    let numbers: Vec<_> = soon(numbers.try_collect()).await.unwrap();
    assert!(numbers.into_iter().eq(0..10_000));
}

#[tokio::test]
async fn a_queued_call_sends_its_items_once_it_runs() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let mut sum = Box::pin(client.sum(stage.path(), "sum".into(), stream::iter(0..10_000)));
    assert!(poll!(&mut sum).is_pending());
    assert_eq!(pool.stats().queued, 1);
    drop(held);
    soon(first).await.unwrap().unwrap();
    let release = async { drop(stage.next().await) };
    let (sum, ()) = soon(async { tokio::join!(sum, release) }).await;
    assert_eq!(sum.unwrap(), (0..10_000).sum::<u64>());
}

#[tokio::test]
async fn drain_waits_for_open_streams() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let mut numbers = client.count(stage.path(), "stream".into(), 5000, 5000);
    assert_eq!(next(&mut numbers).await, 0);
    let mut drain = Box::pin(pool.drain());
    assert!(poll!(&mut drain).is_pending());
    let rest = async {
        for number in 1..5000 {
            assert_eq!(next(&mut numbers).await, number);
        }
        drop(stage.next().await);
        let rest: Vec<_> = soon((&mut numbers).try_collect()).await.unwrap();
        assert!(rest.into_iter().eq(5000..10_000));
    };
    let (drained, ()) = soon(async { tokio::join!(drain, rest) }).await;
    drained.unwrap();
}

#[tokio::test]
async fn close_and_kill_end_open_streams_with_an_error() {
    for kills in [false, true] {
        let (pool, stage) = (started(pool(1)).await, Stage::new());
        let client = JobsClient::new(pool.clone());
        let mut numbers = client.count(stage.path(), "stream".into(), 10, 1);
        assert_eq!(next(&mut numbers).await, 0);
        let mut waits = client.count(stage.path(), "waits".into(), 10, 1);
        assert!(poll!(waits.next().boxed_local()).is_pending());
        if kills {
            pool.kill();
            soon(pool.closed()).await;
        } else {
            soon(pool.close()).await.unwrap();
        }
        let (left, error) = error_after(&mut numbers).await;
        assert_eq!((error.kind(), error.items()), (ErrorKind::Closed, Some(1 + left)));
        let (left, error) = error_after(&mut waits).await;
        assert_eq!((left, error.kind(), error.executed()), (0, ErrorKind::Closed, Executed::No));
    }
}

#[tokio::test]
async fn a_worker_that_is_replaced_finishes_its_streams() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let old = pids(&pool)[0];
    let mut numbers = client.count(stage.path(), "stream".into(), 1, 10_000);
    assert_eq!(next(&mut numbers).await, 0);
    let held = stage.next().await;
    let (items, received) = tokio::sync::mpsc::unbounded_channel();
    let received = stream::unfold(received, async |mut items| Some((items.recv().await?, items)));
    let reload = spawn({
        let pool = pool.clone();
        async move { pool.reload().await }
    });
    let new = soon(client.pid()).await.unwrap();
    assert_ne!(new, old);
    // The other worker has streams, too.
    let mut sum = Box::pin(client.sum(stage.path(), "sum".into(), received));
    assert!(poll!(&mut sum).is_pending());
    drop(held);
    let numbers: Vec<_> = soon(numbers.try_collect()).await.unwrap();
    assert!(numbers.into_iter().eq(1..=10_000));
    soon(reload).await.unwrap().unwrap();
    let send = async {
        items.send(1).unwrap();
        drop(stage.next().await);
        for number in 2..=100 {
            items.send(number).unwrap();
        }
        drop(items);
    };
    let (sum, ()) = soon(async { tokio::join!(sum, send) }).await;
    assert_eq!(sum.unwrap(), 5050);
}

#[tokio::test]
async fn recycled_workers_finish_their_streams() {
    let pool = started(pool(2).max_calls(3).spawn_rate(1000, std::time::Duration::from_secs(1))).await;
    let stage = Stage::new();
    let client = JobsClient::new(pool.clone());
    for _ in 0..5 {
        let counts = (0..4).map(|_| {
            let numbers = client.count(stage.path(), "stream".into(), 100, 100);
            async { soon(numbers.try_collect::<Vec<_>>()).await.unwrap() }
        });
        let release = async {
            for _ in 0..4 {
                drop(stage.next().await);
            }
        };
        let (counts, ()) = tokio::join!(futures_util::future::join_all(counts), release);
        assert!(counts.into_iter().all(|numbers| numbers.into_iter().eq(0..200)));
    }
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.crashes).sum::<u64>(), 0);
}

#[tokio::test]
async fn a_stream_runs_again_before_its_first_item_and_never_after_it() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    let mut numbers = client.count_again(stage.path(), "stream".into(), 0, 3);
    assert!(poll!(numbers.next().boxed_local()).is_pending());
    let held = stage.next().await;
    let busy = pids(&pool)[0];
    kill(busy);
    // Polled, because a call runs again while it is polled.
    let again = tokio::select! {
        again = stage.next() => again,
        _ = numbers.next() => panic!("an item of a worker that was killed"),
    };
    drop((held, again));
    for number in 0..3 {
        assert_eq!(next(&mut numbers).await, number);
    }
    assert!(soon(numbers.next()).await.is_none());

    let mut numbers = client.count_again(stage.path(), "stream".into(), 3, 3);
    for number in 0..2 {
        assert_eq!(next(&mut numbers).await, number);
    }
    let _held = stage.next().await;
    kill(pids(&pool)[0]);
    let (left, error) = error_after(&mut numbers).await;
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!(error.items(), Some(2 + left));
    assert!(error.to_string().contains(&format!("{} items", 2 + left)), "{error}");
    // Nothing has run since.
    let next_call = spawn(stage.hold(pool.clone(), "next"));
    assert_eq!(stage.next().await.name, "next");
    soon(next_call).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_with_items_that_was_sent_does_not_run_again() {
    let stage = Stage::new();
    let pool = started(pool(1).max_in_flight(8).on_crash(OnCrash::retry(3))).await;
    let client = JobsClient::new(pool.clone());
    let sum =
        |numbers: stream::BoxStream<'static, u64>| Box::pin(client.sum(stage.path(), "sum".into(), numbers));
    let mut taken = sum(stream::iter([1]).chain(stream::pending()).boxed());
    let held = tokio::select! {
        held = stage.next() => held,
        sum = &mut taken => panic!("{sum:?}"),
    };
    // The worker has this request, and none of its items, when it answers the next call.
    let mut untaken = sum(stream::pending().boxed());
    tokio::select! {
        biased;
        sum = &mut untaken => panic!("{sum:?}"),
        echo = client.echo(1) => assert_eq!(echo.unwrap(), 1),
    }
    kill(pids(&pool)[0]);
    for call in [taken, untaken] {
        let error = soon(call).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    }
    drop(held);
    let next_call = spawn(stage.hold(pool.clone(), "next"));
    assert_eq!(stage.next().await.name, "next");
    soon(next_call).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_with_items_go_to_another_worker_if_theirs_is_found_dead() {
    let (pool, stage) = (started(pool(2).max_in_flight(8)).await, Stage::new());
    let client = JobsClient::new(pool.clone());
    for round in 0..10 {
        kill(pids(&pool)[round % 2]);
        let calls = (0..4).map(|_| Box::pin(client.sum(stage.path(), "sum".into(), stream::iter(0..100))));
        let release = async {
            loop {
                drop(stage.next().await);
            }
        };
        let calls = async {
            tokio::select! {
                sums = futures_util::future::join_all(calls) => sums,
                () = release => unreachable!(),
            }
        };
        for sum in soon(calls).await {
            match sum {
                Ok(sum) => assert_eq!(sum, (0..100).sum::<u64>()),
                // The worker was found dead after the call was sent, or after items were taken.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Crashed, "{error}"),
            }
        }
        until(&pool, |stats| stats.workers.iter().filter(|worker| worker.pid.is_some()).count() == 2).await;
    }
}

#[test]
fn a_stream_ends_if_the_runtime_of_its_pool_is_dropped() {
    let theirs = runtime();
    let pool = theirs.block_on(started(pool(1)));
    let stage = theirs.block_on(async { Stage::new() });
    let client = JobsClient::new(pool.clone());
    let mut numbers = client.count(stage.path(), "stream".into(), 3, 3);
    theirs.block_on(async {
        assert_eq!(next(&mut numbers).await, 0);
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let theirs = std::thread::spawn(move || theirs.block_on(stopped));
    runtime().block_on(async {
        assert_eq!(next(&mut numbers).await, 1);
        drop(stop);
        let (left, error) = error_after(&mut numbers).await;
        assert_eq!((error.kind(), error.items()), (ErrorKind::Closed, Some(2 + left)));
    });
    let _ = theirs.join().unwrap();
    // `stage` belongs to a runtime that is gone.
    drop(stage);
}

#[tokio::test]
async fn a_stream_of_a_runtime_that_is_dropped_frees_its_permit() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let other = runtime();
    let (path, theirs) = (stage.path(), pool.clone());
    let (taken, was_taken) = oneshot::channel();
    let task = other.spawn(async move {
        let client = JobsClient::new(theirs);
        let mut numbers = client.count(path, "stream".into(), 2, 1);
        assert_eq!(next(&mut numbers).await, 0);
        taken.send(()).unwrap();
        while numbers.next().await.is_some() {}
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let other = std::thread::spawn(move || other.block_on(stopped));
    soon(was_taken).await.unwrap();
    let _held = stage.next().await;
    let waits = spawn(stage.hold(pool.clone(), "waits"));
    queued(&pool, 1).await;
    drop((stop, task));
    assert_eq!(stage.next().await.name, "waits");
    soon(waits).await.unwrap().unwrap();
    let _ = tokio::task::spawn_blocking(|| other.join()).await.unwrap();
}
