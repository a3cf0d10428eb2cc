use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use isolated_workers::ErrorKind;
use isolated_workers::prelude::*;
use isolated_workers::service::streaming::try_items;

use crate::service::Failed;
use crate::started;

#[test]
fn items_of_the_worker_are_an_iterator_that_ends_with_its_first_error() {
    let (_worker, numbers) = started();
    let mut items = numbers.divide_each(vec![1, 2, 0, 4]);
    assert_eq!((items.next().unwrap().unwrap(), items.next().unwrap().unwrap()), (100, 50));
    let failed = items.next().unwrap().unwrap_err();
    assert!(matches!(&failed, CallError::Service(Failed(text)) if text == "division by zero"), "{failed:?}");
    assert!(items.next().is_none() && items.next().is_none());
    let all: Result<Vec<u64>, _> = numbers.divide_each(vec![1, 50]).collect();
    assert_eq!(all.unwrap(), [100, 2]);
}

#[test]
fn dropping_the_iterator_ends_the_call() {
    let (worker, numbers) = started();
    assert_eq!(numbers.count().take(1000).last().unwrap().unwrap(), 999);
    // It would wait for a call that goes on.
    worker.drain().unwrap();
}

#[test]
fn a_crash_between_items_is_the_last_item() {
    let (worker, numbers) = started();
    let mut items = numbers.count();
    assert_eq!(items.next().unwrap().unwrap(), 0);
    worker.kill();
    let error = items.find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(items.next().is_none());
}

#[test]
fn items_of_the_caller_are_any_iterator() {
    let (_worker, numbers) = started();
    assert_eq!(numbers.sum(10, vec![1, 2, 3]).unwrap(), 16);
    assert_eq!(numbers.sum(0, 1..=10_000).unwrap(), 50_005_000);
    let doubled: Vec<u64> = numbers.double(1..=3).map(Result::unwrap).collect();
    assert_eq!(doubled, [2, 4, 6]);
}

#[test]
fn an_iterator_that_fails_ends_the_call_with_its_error() {
    let (_worker, numbers) = started();
    let lines = [Ok(1), Err(io::Error::other("the disk is gone")), Ok(3)];
    let error = numbers.sum(0, try_items(lines)).unwrap_err();
    let CallError::Call(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(format!("{error:#}").contains("the disk is gone"), "{error:#}");
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
}

#[test]
fn an_iterator_that_blocks_delays_no_other_call() {
    let (_worker, numbers) = started();
    let others_were_answered = Arc::new(AtomicBool::new(false));
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        // The iterator waits for an item that is sent after another call.
        let sum = scope.spawn(|| numbers.sum(0, receive));
        assert_eq!(numbers.add(2, 3).unwrap(), 5);
        others_were_answered.store(true, Ordering::Relaxed);
        send.send(7).unwrap();
        drop(send);
        assert_eq!(sum.join().unwrap().unwrap(), 7);
    });
    assert!(others_were_answered.load(Ordering::Relaxed));
}
