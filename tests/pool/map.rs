//! `Pool::map` over many items.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use isolated_workers::ErrorKind;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn results_are_in_item_order_and_at_most_at_once_items_are_taken() {
    let pool = started(pool(3)).await;
    let taken = AtomicU64::new(0);
    let items = (0..100_u64).inspect(|_| {
        taken.fetch_add(1, Ordering::SeqCst);
    });
    let mut results =
        pool.map(items, |pool, number| async move { JobsClient::new(pool).echo(number).await }).at_once(5);
    for number in 0..100 {
        assert_eq!(soon(results.next()).await.unwrap().unwrap(), number);
        assert_eq!(results.progress().returned, number + 1);
        assert!(taken.load(Ordering::SeqCst) <= number + 6);
    }
    assert!(soon(results.next()).await.is_none());
    assert_eq!((results.progress().begun, results.progress().done), (100, 100));
}

#[tokio::test]
async fn unordered_results_come_in_order_of_completion() {
    let (pool, stage) = (started(pool(2)).await, Stage::new());
    let mut results = pool
        .map(["first", "second"], |pool, name| {
            let call = stage.hold(pool, name);
            async move { call.await.map(|_| name) }
        })
        .unordered();
    let release_second = async {
        let held = [stage.next().await, stage.next().await];
        held.into_iter().find(|held| held.name == "first").unwrap()
    };
    let (second, first) = soon(async { tokio::join!(results.next(), release_second) }).await;
    assert_eq!(second.unwrap().unwrap(), "second");
    drop(first);
    assert_eq!(soon(results.next()).await.unwrap().unwrap(), "first");
}

#[tokio::test]
async fn an_error_is_the_result_of_its_item_only() {
    let pool = started(pool(2)).await;
    let items = stream::iter(0..10_u64);
    let results = pool.map_stream(items, |pool, number| async move {
        let client = JobsClient::new(pool);
        if number == 4 {
            client.abort().await?;
        }
        client.echo(number).await
    });
    for (number, result) in (0..).zip(soon(results.collect::<Vec<_>>()).await) {
        match result {
            Ok(answer) => assert_eq!(answer, number),
            Err(error) => assert_eq!((number, error.kind()), (4, ErrorKind::Crashed)),
        }
    }
}

#[tokio::test]
async fn a_dropped_map_cancels_its_calls_and_takes_no_more_items() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let taken = AtomicU64::new(0);
    let items = (0..100).inspect(|_| {
        taken.fetch_add(1, Ordering::SeqCst);
    });
    let mut results = pool.map(items, |pool, _| stage.hold(pool, "held")).at_once(3);
    let held = tokio::select! {
        held = stage.next() => held,
        result = results.next() => panic!("{result:?}"),
    };
    drop(results);
    // The only worker is free again, and so is the queue.
    assert_eq!(soon(JobsClient::new(pool).echo(1)).await.unwrap(), 1);
    assert_eq!(taken.load(Ordering::SeqCst), 3);
    drop(held);
}

#[tokio::test]
async fn a_stream_of_items_is_mapped_as_they_come() {
    let pool = started(pool(2)).await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let items = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let mut results =
        pool.map_stream(items, |pool, number| async move { JobsClient::new(pool).echo(number).await });
    // Each result comes before the next item.
    for number in 0..10_u64 {
        sender.send(number).unwrap();
        assert_eq!(soon(results.next()).await.unwrap().unwrap(), number);
    }
    drop(sender);
    assert!(soon(results.next()).await.is_none());
}
