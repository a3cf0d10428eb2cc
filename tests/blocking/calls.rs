use isolated_workers::codec::Json;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{OnCrash, Status};
use isolated_workers::prelude::*;
use isolated_workers::service::{BoxService, Local};
use isolated_workers::{ErrorKind, blocking};

use crate::service::{Calculator, Failed, Numbers, NumbersBlockingClient, numbers};
use crate::{builder, started};

#[test]
fn calls_return_replies_errors_of_the_method_and_errors_of_the_call() {
    let (worker, numbers) = started();
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
    assert_eq!(numbers.divide(7, 2).unwrap(), 3);
    let failed = numbers.divide(7, 0).unwrap_err();
    assert!(matches!(&failed, CallError::Service(Failed(text)) if text == "division by zero"), "{failed:?}");
    let sum: Result<u64, Error> = blocking::send(&worker, numbers::Add { a: 1, b: 1 });
    assert_eq!(sum.unwrap(), 2);
    assert!(worker.is_active() && worker.is_connected());
    worker.close().unwrap();
    let closed = numbers.add(2, 3).unwrap_err();
    assert_eq!((closed.kind(), closed.executed()), (ErrorKind::Closed, Executed::No), "{closed}");
    assert_eq!(worker.status(), Status::Closed);
    assert_eq!(worker.closed().unwrap(), ExitReason::Exited(0));
}

#[test]
fn large_messages_are_sent_whole() {
    let (_worker, numbers) = started();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    assert!(numbers.bytes(bytes.clone()).unwrap() == bytes);
}

#[test]
fn a_call_ends_at_its_timeout() {
    let (_worker, numbers) = started();
    let error = numbers.hang_briefly().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
}

#[test]
fn a_crash_is_an_error_and_the_worker_is_started_again() {
    let worker = blocking::Worker::spawn(builder().on_crash(OnCrash::respawn())).unwrap();
    let (numbers, first) = (NumbersBlockingClient::new(&worker), worker.pid());
    let error = numbers.abort().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
    assert_ne!(worker.pid(), first);
}

#[test]
fn dropping_the_last_handle_closes_the_worker() {
    let (worker, numbers) = started();
    let mut status = worker.as_async().status();
    drop((worker, numbers));
    blocking::block_on(async { status.wait_for(|status| *status == Status::Closed).await.is_ok() }).unwrap();
}

#[test]
fn threads_share_a_worker() {
    let (_worker, numbers) = started();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let numbers = &numbers;
            scope.spawn(move || {
                for n in 0..500 {
                    assert_eq!(numbers.add(thread, n).unwrap(), thread + n);
                }
            });
        }
    });
}

#[test]
fn a_worker_without_its_layers_in_the_type_is_a_field() {
    struct Service {
        numbers: NumbersBlockingClient<blocking::Worker<BoxService>>,
    }
    let worker = blocking::Worker::spawn(builder()).unwrap();
    let service = Service { numbers: NumbersBlockingClient::new(worker.boxed()) };
    assert_eq!(service.numbers.add(2, 3).unwrap(), 5);
}

#[test]
fn a_service_is_tested_without_a_process() {
    let numbers = NumbersBlockingClient::new(Local::new(Calculator.into_service(), Json));
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
    assert_eq!(numbers.double(1..=3).last().unwrap().unwrap(), 6);
}

#[test]
fn a_disconnected_worker_is_connected_again() {
    let (worker, numbers) = started();
    worker.disconnect().unwrap();
    assert!(!worker.is_connected());
    worker.reconnect().unwrap();
    assert_eq!(numbers.add(2, 3).unwrap(), 5);
    worker.drain().unwrap();
}

#[test]
fn a_program_that_does_not_exist_is_an_error() {
    let builder = Worker::builder(Program::new("/nonexistent/worker"));
    let error = blocking::Worker::spawn(builder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn, "{error}");
}
