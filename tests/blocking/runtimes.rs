//! Threads that cannot wait, and threads of other runtimes, which can.

use std::sync::{Arc, OnceLock};

use isolated_workers::blocking;
use isolated_workers::codec::Postcard;
use isolated_workers::host::Builder;
use isolated_workers::prelude::*;

use crate::service::{Desk, DeskService, Failed, NumbersBlockingClient};
use crate::{builder, started};

/// Host that calls its own worker in each callback.
#[derive(Clone, Default)]
struct Caller(Arc<OnceLock<NumbersBlockingClient<blocking::Worker>>>);

impl Caller {
    fn call(&self) -> Result<u64, Failed> {
        Ok(self.0.get().expect("the test sets it").add(2, 3)?)
    }
}

impl Desk for Caller {
    async fn add(&self) -> Result<u64, Failed> {
        self.call()
    }

    fn add_blocking(&self) -> Result<u64, Failed> {
        self.call()
    }
}

#[test]
fn a_callback_waits_only_on_a_thread_that_may_block() {
    let caller = Caller::default();
    let builder: Builder<_, _, _, _, DeskService<Caller>> = builder().serve(caller.clone().into_service());
    let worker = blocking::Worker::spawn(builder).unwrap();
    let numbers = NumbersBlockingClient::new(worker);
    caller.0.set(numbers.clone()).unwrap();
    assert_eq!(numbers.ask_blocking().unwrap(), 5);
    let CallError::Service(Failed(text)) = numbers.ask().unwrap_err() else { panic!("the callback failed") };
    let expected = "IW_WOULD_DEADLOCK could not call `add`: a handler of a callback runs on the thread that \
                    receives the answer; make the handler `#[message(blocking)]`, or use the async client in it";
    assert_eq!(text, expected);
}

#[test]
fn other_runtimes_may_be_held_or_not() {
    let (_worker, numbers) = started();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(numbers.add(2, 3).unwrap(), 5);
        let numbers = numbers.clone();
        let sum = tokio::task::spawn_blocking(move || numbers.add(3, 4)).await.unwrap();
        assert_eq!(sum.unwrap(), 7);
    });
}

#[test]
fn several_calls_are_made_at_once_with_futures() {
    let (worker, _numbers) = started();
    let numbers = crate::service::NumbersClient::new(worker);
    let sums = blocking::block_on(async { tokio::join!(numbers.add(1, 2), numbers.add(3, 4)) }).unwrap();
    assert_eq!((sums.0.unwrap(), sums.1.unwrap()), (3, 7));
}

#[test]
fn another_codec_than_that_of_the_worker_is_refused() {
    let error = blocking::Worker::spawn(builder().codec(Postcard)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
}
