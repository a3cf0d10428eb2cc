//! Layers around calls with streams: they last until the last item.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, TryStreamExt, poll, stream};
use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::error::Executed;
use isolated_workers::layer::{
    ConcurrencyLimit, Deadline, LoadShed, Middleware, Next, Timeout, Trace, from_fn, tower_layer,
};
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};
use isolated_workers::service::Local;
use isolated_workers::testing::{Fault, Faults};
use isolated_workers::{ErrorKind, Service, ServiceExt};
use isolated_workers_test_support::{assert_error, soon};

use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;

use super::services::{Counter, Numbers, NumbersClient, Seen, thread};

/// Client through `layer`, over a connection.
async fn over<L: Middleware>(layer: L) -> NumbersClient<impl Service> {
    let (counter, _) = Counter::new();
    let worker = soon(Worker::builder(thread(&counter, Json)).spawn()).await.unwrap();
    NumbersClient::new(worker.wrapped_by(layer))
}

#[tokio::test]
async fn a_limit_of_concurrent_calls_counts_a_stream_until_its_end() {
    let numbers = over(ConcurrencyLimit::new(1)).await;
    for is_dropped in [false, true] {
        let mut items = numbers.count(3);
        soon(items.next()).await.unwrap().unwrap();
        let mut other = Box::pin(numbers.add(2, 3));
        assert!(poll!(&mut other).is_pending());
        if is_dropped {
            drop(items);
        } else {
            while let Some(item) = soon(items.next()).await {
                item.unwrap();
            }
        }
        assert_eq!(soon(other).await.unwrap(), 5);
    }
}

#[tokio::test]
async fn load_is_shed_while_a_stream_is_open() {
    let numbers = over(LoadShed::new(1)).await;
    let mut items = numbers.hang();
    soon(items.next()).await.unwrap().unwrap();
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap_err().kind(), ErrorKind::Overloaded);
    drop(items);
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_limit_of_time_includes_the_stream() {
    let limit = Duration::from_millis(50);
    let numbers = over(Timeout::new(limit)).await;
    let mut items = numbers.hang();
    soon(items.next()).await.unwrap().unwrap();
    let error = soon(items.next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`hang`", "50ms"]);
    assert!(soon(items.next()).await.is_none());

    let numbers = over(Deadline::within(limit)).await;
    let mut items = numbers.hang();
    soon(items.next()).await.unwrap().unwrap();
    assert_eq!(soon(items.next()).await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}

/// Counts items.
struct CountItems(Arc<AtomicU64>);

impl Middleware for CountItems {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let mut response = next.call(request).await?;
        let count = Arc::clone(&self.0);
        response.map_items(move |item| {
            count.fetch_add(u64::from(item.is_ok()), Ordering::Relaxed);
            item
        });
        Ok(response)
    }
}

#[tokio::test]
async fn a_middleware_sees_each_item() {
    let count = Arc::new(AtomicU64::new(0));
    let numbers = over(CountItems(Arc::clone(&count))).await;
    let counted: Vec<u64> = soon(numbers.count(100).try_collect()).await.unwrap();
    assert_eq!((counted.len(), count.load(Ordering::Relaxed)), (100, 100));
    let _: Result<Vec<u64>, _> = soon(numbers.divide(vec![1, 0]).try_collect()).await;
    assert_eq!(count.load(Ordering::Relaxed), 101);
}

#[tokio::test]
async fn an_error_that_a_layer_makes_after_items_does_not_say_that_nothing_was_run() {
    let denying = from_fn(async |request: Request, next: Next<'_>| {
        let mut response = next.call(request).await?;
        response.map_items(|item| item.map_err(|_| Error::new(ErrorKind::Denied, "no more items")));
        Ok(response)
    });
    let numbers = over(denying).await;
    let mut items = numbers.panic_after(2);
    for _ in 0..2 {
        soon(items.next()).await.unwrap().unwrap();
    }
    let error = soon(items.next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Denied, &["no more items", "after 2 items"]);
    assert_eq!((error.executed(), error.items()), (Executed::Maybe, Some(2)));
}

#[tokio::test]
async fn the_items_of_a_cloned_response_are_an_error() {
    let cloning = from_fn(async |request: Request, next: Next<'_>| {
        let response = next.call(request).await?;
        Ok(response.clone())
    });
    let (counter, mut seen) = Counter::new();
    let worker = soon(Worker::builder(thread(&counter, Json)).spawn()).await.unwrap();
    let numbers = NumbersClient::new(worker.wrapped_by(cloning));
    let mut items = numbers.hang();
    let error = soon(items.next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Middleware, &["it is a clone", "return the response itself"]);
    assert_eq!(error.executed(), Executed::Yes);
    assert!(soon(items.next()).await.is_none());
    assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_local_service_streams_as_a_worker_does() {
    let (counter, _) = Counter::new();
    let numbers = NumbersClient::new(Local::new(counter.into_service(), Json).wrapped_by(Trace));
    let counted: Vec<u64> = soon(numbers.count(100).try_collect()).await.unwrap();
    assert_eq!(counted.len(), 100);
    assert_eq!(soon(numbers.sum(1, stream::iter(0..10))).await.unwrap(), 46);
    let doubled: Vec<u64> = soon(numbers.double(stream::iter(0..3)).try_collect()).await.unwrap();
    assert_eq!(doubled, [0, 2, 4]);
    let panicked: Result<Vec<u64>, _> = soon(numbers.panic_after(1).try_collect()).boxed().await;
    assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Panicked);
}

/// A call ends for a tower layer of the host with its first item.
#[tokio::test]
async fn a_tower_layer_of_the_host_lasts_until_the_first_item() {
    let limit = tower_layer(ConcurrencyLimitLayer::new(1));
    let numbers = over(limit).await;
    let mut items = numbers.hang();
    soon(items.next()).await.unwrap().unwrap();
    // The stream holds no permit anymore.
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
    let counted: Vec<u64> = soon(numbers.count(10_000).try_collect()).await.unwrap();
    assert_eq!(counted.len(), 10_000);
    assert_eq!(soon(numbers.sum(1, stream::iter(0..10_000))).await.unwrap(), 49_995_001);
    let doubled: Vec<u64> = soon(numbers.double(stream::iter(0..10_000)).try_collect()).await.unwrap();
    assert_eq!(doubled.len(), 10_000);
}

#[tokio::test]
async fn a_tower_timeout_limits_the_wait_for_the_first_item_and_cancels_the_call() {
    let (counter, mut seen) = Counter::new();
    let worker = soon(Worker::builder(thread(&counter, Json)).spawn()).await.unwrap();
    let limit = tower_layer(TimeoutLayer::new(Duration::from_millis(50)));
    let numbers = NumbersClient::new(worker.wrapped_by(limit));
    let error = soon(numbers.wait_for_items(0).next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Middleware, &["TowerLayer", "`wait_for_items`", "request timed out"]);
    assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_tower_timeout_does_not_end_a_stream_that_has_begun() {
    let (counter, _seen) = Counter::new();
    let limit = tower_layer(TimeoutLayer::new(Duration::from_secs(1)));
    let numbers = NumbersClient::new(Local::new(counter.into_service(), Json).wrapped_by(limit));
    let mut items = numbers.hang();
    assert_eq!(items.next().await.unwrap().unwrap(), 7);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(poll!(items.next().boxed_local()).is_pending());
}

#[tokio::test]
async fn an_injected_fault_garbles_each_item() {
    let (counter, _seen) = Counter::new();
    let service = Local::new(counter.into_service(), Json);
    let numbers = NumbersClient::new(service.wrapped_by(Faults::in_order([Some(Fault::Garble)])));
    let error = soon(numbers.count(3).next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Decode, &["`count`"]);
    assert_eq!(soon(numbers.count(3).try_collect::<Vec<_>>()).await.unwrap(), [0, 1, 2]);
}

/// A service of tower keeps what it needs for longer in the response.
#[tokio::test]
async fn a_tower_layer_that_holds_a_value_keeps_it_until_the_last_item() {
    let held = Arc::new(());
    let guard = Arc::clone(&held);
    let hold = ServiceBuilder::new().map_response(move |mut response: Response| {
        response.hold(Arc::clone(&guard));
        response
    });
    let numbers = over(tower_layer(hold)).await;
    let before = Arc::strong_count(&held);
    let mut items = numbers.count(3);
    for _ in 0..3 {
        soon(items.next()).await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&held), before + 1);
    }
    assert!(soon(items.next()).await.is_none());
    assert_eq!(Arc::strong_count(&held), before);
    let mut items = numbers.hang();
    soon(items.next()).await.unwrap().unwrap();
    assert_eq!(Arc::strong_count(&held), before + 1);
    drop(items);
    assert_eq!(Arc::strong_count(&held), before);
}

/// A handler has answered when it has returned its stream, so a layer of the worker sees no item.
#[tokio::test]
async fn a_tower_layer_of_the_worker_lasts_until_the_handler_has_returned_its_stream() {
    let (counter, _seen) = Counter::new();
    let driver = Thread::new(move || {
        let limits = ServiceBuilder::new()
            .layer(TimeoutLayer::new(Duration::from_secs(60)))
            .layer(ConcurrencyLimitLayer::new(1));
        serve(counter.clone().into_service()).layer(tower_layer(limits)).into_future()
    });
    let numbers = NumbersClient::new(soon(Worker::builder(driver).spawn()).await.unwrap());
    let mut hanging = numbers.hang();
    soon(hanging.next()).await.unwrap().unwrap();
    let counted: Vec<u64> = soon(numbers.count(10_000).try_collect()).await.unwrap();
    assert_eq!(counted.len(), 10_000);
    assert_eq!(soon(numbers.sum(1, stream::iter(0..10_000))).await.unwrap(), 49_995_001);
    let doubled: Vec<u64> = soon(numbers.double(stream::iter(0..10_000)).try_collect()).await.unwrap();
    assert_eq!(doubled.len(), 10_000);
}
