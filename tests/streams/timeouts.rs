//! Time limits of streams, and whose time it was.

use std::time::Duration;

use futures_util::stream;
use isolated_workers::codec::Json;
use isolated_workers::host::{OnTimeout, Timeouts};
use isolated_workers::prelude::*;
use isolated_workers::service::{Local, StreamingReply};
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::{assert_error, block_on_thread, runtime, soon};

use super::services::{Counter, Numbers, NumbersClient, Seen, thread};

/// Limits of a worker whose calls time out, long enough for a busy machine to begin one.
fn short() -> Timeouts {
    Timeouts::default().message(Duration::from_secs(1))
}

/// Last element of a stream, which must be an error.
async fn error_of(items: &mut StreamingReply<'_, u64>) -> Error {
    loop {
        if let Err(error) = soon(items.next()).await.expect("the stream has ended without an error") {
            return error;
        }
    }
}

#[tokio::test]
async fn a_stream_that_waits_for_its_own_caller_costs_no_worker() {
    let (counter, mut seen) = Counter::new();
    let builder = Worker::builder(thread(&counter, Json)).timeouts(short()).on_timeout(OnTimeout::Kill);
    let worker = soon(builder.spawn()).await.unwrap();
    let mut status = worker.status();
    status.borrow_and_update();
    let numbers = NumbersClient::new(worker.clone());
    let mut items = numbers.wait_for_items(3);
    assert_eq!(soon(items.next()).await.unwrap().unwrap(), 0);
    // Nobody takes the others.
    assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
    let unfinished = ["`wait_for_items`", "within 1s", "had not finished the items that had arrived"];
    assert_error(&error_of(&mut items).await, ErrorKind::Timeout, &unfinished);

    let error = soon(numbers.sum(0, stream::pending())).await.unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`sum`", "within 1s", "had not sent all of its items"]);
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
    assert!(!status.has_changed().unwrap(), "the worker was killed");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_sends_or_takes_no_items_is_killed_at_a_timeout() {
    for sends in [false, true] {
        let (counter, _seen) = Counter::new();
        let builder = Worker::builder(thread(&counter, Json)).timeouts(short()).on_timeout(OnTimeout::Kill);
        let worker = soon(builder.spawn()).await.unwrap();
        let mut status = worker.status();
        status.borrow_and_update();
        let numbers = NumbersClient::new(worker.clone());
        let error = match sends {
            true => soon(numbers.take_and_hang(stream::iter(0..), 3)).await.unwrap_err(),
            false => error_of(&mut numbers.wait_for_items(3)).await,
        };
        assert_error(&error, ErrorKind::Timeout, &["was not answered within 1s"]);
        // It is killed and replaced.
        soon(status.changed()).await.unwrap();
        soon(worker.close()).await.unwrap();
    }
}

#[test]
fn a_stream_that_has_left_the_runtime_of_its_worker_keeps_its_timeout() {
    let undriven = runtime();
    let (counter, _seen) = Counter::new();
    let builder = Worker::builder(thread(&counter, Json)).timeouts(short());
    let worker = undriven.block_on(soon(builder.spawn())).unwrap();
    let numbers = NumbersClient::new(worker.clone());
    let mut items = numbers.hang_after(1);
    undriven.block_on(async { assert_eq!(soon(items.next()).await.unwrap().unwrap(), 0) });
    // Nobody drives the runtime of the worker now.
    let error = block_on_thread(items.next()).unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`hang_after`", "within 1s", "after 1 item"]);
    undriven.block_on(soon(worker.close())).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limit_between_items_begins_with_the_first_item() {
    let (counter, _seen) = Counter::new();
    let numbers = NumbersClient::new(Local::new(counter.into_service(), Json));
    let mut items = numbers.stall_late(Duration::from_secs(1));
    assert_eq!(items.next().await.unwrap().unwrap(), 7);
    let error = items.next().await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`stall_late`", "did not arrive within 50ms", "after 1 item"]);
}
