//! Calls with streams of items.

mod layers;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod proof;
#[cfg(target_os = "linux")]
mod readers;
mod refused;
mod services;
#[cfg(target_os = "linux")]
mod steps;
mod timeouts;

use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, poll, stream};
use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::driver::Thread;
use isolated_workers::error::Executed;
use isolated_workers::prelude::*;
use isolated_workers::protocol::Limits;
use isolated_workers::service::BoxService;
use isolated_workers::service::streaming::{BlockingEmitter, produce_blocking};
use isolated_workers::{ErrorKind, serve};
use isolated_workers_test_support::{assert_error, soon};
use services::{Counter, Failed, NumbersClient, Seen, thread};
use tokio::sync::mpsc::UnboundedReceiver;

async fn started<C: Codec>(codec: C) -> (NumbersClient<BoxService<C>>, UnboundedReceiver<Seen>) {
    let (counter, seen) = Counter::new();
    let worker = Worker::builder(thread(&counter, codec.clone())).codec(codec);
    let worker = soon(worker.spawn()).await.unwrap();
    (NumbersClient::new(BoxService::new(worker)), seen)
}

async fn streams_work_in_both_directions<C: Codec>(codec: C) {
    let (numbers, _) = started(codec).await;
    for end in [0, 1, 5, 10_000] {
        let counted: Vec<u64> = soon(numbers.count(end).try_collect()).await.unwrap();
        assert_eq!(counted, (0..end).collect::<Vec<_>>());
    }
    for end in [0, 1, 5, 10_000] {
        let sum = soon(numbers.sum(3, stream::iter(0..end))).await.unwrap();
        assert_eq!(sum, 3 + (0..end).sum::<u64>());
    }
    for end in [0, 1, 5, 10_000] {
        let doubled: Vec<u64> = soon(numbers.double(stream::iter(0..end)).try_collect()).await.unwrap();
        assert_eq!(doubled, (0..end).map(|number| 2 * number).collect::<Vec<_>>());
    }
    let mut blobs = numbers.blobs(9, 1 << 20);
    let mut count = 0;
    while let Some(blob) = soon(blobs.next()).await {
        assert_eq!(blob.unwrap(), vec![count; 1 << 20]);
        count += 1;
    }
    assert_eq!(count, 9);
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn streams_work_in_both_directions_with_json() {
    streams_work_in_both_directions(Json).await;
}

#[tokio::test]
async fn streams_work_in_both_directions_with_postcard() {
    streams_work_in_both_directions(Postcard).await;
}

#[tokio::test]
async fn an_error_of_a_handler_ends_its_stream() {
    let (numbers, _) = started(Json).await;
    let mut quotients = numbers.divide(vec![5, 2, 0, 1]);
    assert_eq!(soon(quotients.next()).await.unwrap().unwrap(), 20);
    assert_eq!(soon(quotients.next()).await.unwrap().unwrap(), 50);
    let Some(Err(CallError::Service(failed))) = soon(quotients.next()).await else { panic!("no error") };
    assert_eq!(failed, Failed("division by zero".into()));
    for _ in 0..2 {
        assert!(soon(quotients.next()).await.is_none());
    }
    let first: Result<Vec<u64>, _> = soon(numbers.divide(vec![0]).try_collect()).await;
    assert!(matches!(first, Err(CallError::Service(_))));
}

#[tokio::test]
async fn a_handler_may_answer_before_the_items_of_its_caller_end() {
    let (numbers, _) = started(Json).await;
    assert_eq!(soon(numbers.sum_first(stream::iter(1..), 3)).await.unwrap(), 6);
    let few = soon(numbers.sum_first(stream::iter([1]), 3)).await;
    assert!(matches!(few, Err(CallError::Service(Failed(text))) if text == "too few numbers"));
    let endless = stream::iter([1, 2]).chain(stream::pending());
    assert_eq!(soon(numbers.sum_first(endless, 2)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_dropped_stream_cancels_its_call() {
    let (numbers, mut seen) = started(Json).await;
    let mut hanging = numbers.hang();
    assert_eq!(soon(hanging.next()).await.unwrap().unwrap(), 7);
    assert!(poll!(hanging.next().boxed_local()).is_pending());
    drop(hanging);
    assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
}

#[tokio::test]
async fn a_stream_without_items_for_too_long_is_cancelled() {
    let (numbers, mut seen) = started(Json).await;
    let mut hanging = numbers.stall();
    assert_eq!(soon(hanging.next()).await.unwrap().unwrap(), 7);
    let error = soon(hanging.next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["`stall`", "within 50ms", "after 1 item"]);
    assert!(soon(hanging.next()).await.is_none());
    assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
}

#[tokio::test]
async fn a_dropped_stream_ends_a_blocking_producer() {
    let (numbers, mut seen) = started(Json).await;
    let mut produced = numbers.produce_blocking();
    for number in 0..1_000 {
        assert_eq!(soon(produced.next()).await.unwrap().unwrap(), number);
    }
    drop(produced);
    let Some(Seen::ProducerEnded(sent)) = soon(seen.recv()).await else { panic!("the producer goes on") };
    assert!(sent >= 1_000);
}

#[tokio::test]
async fn a_blocking_producer_ends_its_stream_although_its_emitter_lives_elsewhere() {
    for end in [Ok(()), Err("no more")] {
        let (keep, kept) = std::sync::mpsc::channel();
        let mut produced = Box::pin(produce_blocking(move |out| {
            out.send(1).unwrap();
            keep.send(out).unwrap();
            end
        }));
        assert_eq!(soon(produced.next()).await, Some(Ok(1)));
        assert_eq!(soon(produced.next()).await, end.err().map(Err));
        assert_eq!(soon(produced.next()).await, None);
        let emitter = kept.recv().unwrap();
        assert!(tokio::task::spawn_blocking(move || emitter.send(2)).await.unwrap().is_err());
    }
    let (keep, _kept) = std::sync::mpsc::channel();
    let mut produced = produce_blocking(move |out: BlockingEmitter<u64>| -> Result<(), Failed> {
        keep.send(out).unwrap();
        panic!("out of numbers")
    });
    let panicked = AssertUnwindSafe(soon(produced.next())).catch_unwind().await;
    assert!(panicked.is_err());
}

#[tokio::test]
async fn an_item_that_is_too_large_is_named_in_the_error() {
    let (numbers, _) = started(Postcard).await;
    // The encoded item fits in a frame, and the head of the frame does not fit beside it.
    let size = Limits::default().frame - 5;
    let error = soon(numbers.blobs(1, size).next()).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::TooLarge, &["an item of `blobs`", "Limits::frame"]);
    let large = stream::iter([Bytes::from(vec![7; size])]);
    let error = soon(numbers.upload(large)).await.unwrap_err();
    let CallError::Call(error) = error else { panic!("{error:?}") };
    assert_error(&error, ErrorKind::TooLarge, &["an item of `upload`", "Limits::frame"]);
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_stream_that_nobody_polls_sends_no_more_than_its_credit() {
    let (numbers, mut seen) = started(Postcard).await;
    let mut produced = numbers.produce_blocking();
    assert_eq!(soon(produced.next()).await.unwrap().unwrap(), 0);
    // Other calls and streams go on.
    for round in 0..100 {
        assert_eq!(soon(numbers.add(round, 1)).await.unwrap(), round + 1);
    }
    let counted: Vec<u64> = soon(numbers.count(10_000).try_collect()).await.unwrap();
    assert_eq!(counted.len(), 10_000);
    drop(produced);
    let Some(Seen::ProducerEnded(sent)) = soon(seen.recv()).await else { panic!("the producer goes on") };
    // 256 KiB of items that count 64 bytes, twice because the first ones may have been finished,
    // and what waits in the worker.
    assert!(sent <= 2 * 4096 + 100, "{sent} items were sent");
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_it_with_an_error() {
    let (numbers, _) = started(Json).await;
    let mut items = numbers.panic_after(2);
    for number in 0..2 {
        assert_eq!(soon(items.next()).await.unwrap().unwrap(), number);
    }
    let error = soon(items.next()).await.unwrap().unwrap_err();
    assert_error(
        &error,
        ErrorKind::Panicked,
        &["the items of `panic_after` panicked", "out of numbers", "2 items"],
    );
    assert_eq!(error.items(), Some(2));
    assert!(soon(items.next()).await.is_none());
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_dropped_call_is_an_error_for_a_handler_and_no_end_of_items() {
    let (numbers, mut seen) = started(Json).await;
    let mut call = Box::pin(numbers.wait_for_numbers(stream::iter([1, 2]).chain(stream::pending())));
    assert!(poll!(&mut call).is_pending());
    for number in [1, 2] {
        let received = async {
            tokio::select! {
                seen = seen.recv() => seen,
                _ = &mut call => panic!("the call has ended"),
            }
        };
        assert_eq!(soon(received).await, Some(Seen::Number(number)));
    }
    drop(call);
    // The handler is dropped, so it sees nothing more.
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_call_without_polls_sends_nothing() {
    let (numbers, _) = started(Json).await;
    let stream = numbers.count(3);
    drop(stream);
    let mut stream = numbers.count(3);
    match poll!(stream.next().boxed_local()) {
        Poll::Ready(item) => assert_eq!(item.unwrap().unwrap(), 0),
        Poll::Pending => assert_eq!(soon(stream.next()).await.unwrap().unwrap(), 0),
    }
}

#[tokio::test]
async fn the_timeout_of_a_call_ends_its_stream_and_cancels_its_handler() {
    let (numbers, mut seen) = started(Postcard).await;
    // It waits for an item, for an item after the first ones, or for credit.
    for count in [0, 3, u64::MAX] {
        let mut items = numbers.hang_briefly(count);
        if count > 0 {
            assert_eq!(soon(items.next()).await.unwrap().unwrap(), 0);
        } else {
            assert!(poll!(items.next().boxed_local()).is_pending());
        }
        // Nobody polls the stream meanwhile.
        assert_eq!(soon(seen.recv()).await, Some(Seen::Cancelled));
        let mut taken = u64::from(count > 0);
        let error = loop {
            match soon(items.next()).await.expect("the stream has ended without an error") {
                Ok(number) => assert_eq!(number, taken),
                Err(error) => break error,
            }
            taken += 1;
        };
        assert_error(&error, ErrorKind::Timeout, &["hang_briefly"]);
        assert_eq!(error.items(), (count > 0).then_some(taken));
        assert!(soon(items.next()).await.is_none());
    }
    for items in [stream::pending().boxed(), stream::iter(0..).boxed()] {
        let error = soon(numbers.take_none_briefly(items)).await.unwrap_err();
        assert_error(&error, ErrorKind::Timeout, &["take_none_briefly"]);
    }
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_call_with_streams_without_a_handshake_is_refused_before_it_is_sent() {
    let (counter, _seen) = Counter::new();
    let driver = Thread::new(move || {
        serve(services::Numbers::into_service(counter.clone())).without_handshake().into_future()
    });
    let worker = soon(Worker::builder(driver).without_handshake().spawn()).await.unwrap();
    let numbers = NumbersClient::new(worker);
    let errors = [
        soon(numbers.count(3).next()).await.unwrap().unwrap_err(),
        soon(numbers.sum(0, stream::iter(0..3))).await.unwrap_err(),
        soon(numbers.pass(stream::iter(0..3)).next()).await.unwrap().unwrap_err(),
    ];
    for error in errors {
        assert_error(&error, ErrorKind::Unsupported, &["has not announced that it takes items"]);
        assert_eq!(error.executed(), Executed::No);
    }
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
}
