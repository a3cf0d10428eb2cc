//! Calls with items that are refused.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};

use futures_util::{StreamExt, stream};
use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::error::Executed;
use isolated_workers::layer::{Middleware, Next, from_fn};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, ErrorKind, Service, ServiceExt, Worker, serve};
use isolated_workers_test_support::{HANG_TIMEOUT, assert_error, block_on, soon};

use super::services::{Counter, Numbers, NumbersClient, thread};

/// Runs `test` on a thread of its own, because a deadlock blocks the runtime.
fn without_deadlock(test: impl Future<Output = ()> + Send + 'static) {
    let (ended, end) = channel::<()>();
    let test = std::thread::spawn(move || {
        // Dropped when the test has ended or panicked.
        let _ended = ended;
        block_on(test);
    });
    assert_eq!(end.recv_timeout(HANG_TIMEOUT), Err(RecvTimeoutError::Disconnected), "a deadlock");
    test.join().unwrap();
}

#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    Killed,
    Draining,
}

#[test]
fn a_refused_call_may_own_a_stream_of_its_own_worker() {
    for end in [End::Closed, End::Killed, End::Draining] {
        without_deadlock(async move {
            let (counter, _seen) = Counter::new();
            let worker = soon(Worker::builder(thread(&counter, Json)).spawn()).await.unwrap();
            // Items that a call sends borrow nothing.
            let numbers: &'static _ = Box::leak(Box::new(NumbersClient::new(worker.clone())));
            let mut endless = numbers.hang_after(u64::MAX);
            assert_eq!(soon(endless.next()).await.unwrap().unwrap(), 0);
            match end {
                End::Closed => soon(worker.close()).await.unwrap(),
                End::Killed => worker.kill(),
                End::Draining => {
                    let worker = worker.clone();
                    tokio::spawn(async move { worker.drain().await });
                }
            }
            let is_refused = async || {
                let added = soon(numbers.add(2, 3)).await;
                added.is_err_and(|error| error.executed() == Executed::No)
            };
            while !is_refused().await {}
            let refused = soon(numbers.sum(0, endless.map(Result::unwrap))).await.unwrap_err();
            assert_eq!(refused.executed(), Executed::No, "{end:?}: {refused}");
            assert!(is_refused().await, "{end:?}");
        });
    }
}

/// Counts the requests `sum`.
struct CountSums(Arc<AtomicUsize>);

impl Middleware for CountSums {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        self.0.fetch_add(usize::from(request.name() == "sum"), Ordering::Relaxed);
        next.call(request).await
    }
}

#[tokio::test]
async fn a_request_whose_items_were_taken_is_refused_and_not_sent() {
    let requests = Arc::new(AtomicUsize::new(0));
    let driver = Thread::new({
        let requests = Arc::clone(&requests);
        move || {
            let requests = Arc::clone(&requests);
            serve(Counter::new().0.into_service()).layer(CountSums(requests)).into_future()
        }
    });
    let worker = soon(Worker::builder(driver).spawn()).await.unwrap();
    let twice = from_fn(async |request: Request, next: Next<'_>| {
        next.call(request.clone()).await?;
        next.call(request).await
    });
    let numbers = NumbersClient::new(worker.clone().wrapped_by(twice));
    for number in 1..=20 {
        let refused = soon(numbers.sum(0, stream::iter(0..3))).await.unwrap_err();
        assert_error(&refused, ErrorKind::Invalid, &["its items were sent before", "with new items"]);
        assert_eq!(refused.executed(), Executed::No);
        // Its answer says that the worker has received everything before it.
        assert_eq!(soon(NumbersClient::new(worker.clone()).add(2, 3)).await.unwrap(), 5);
        assert_eq!(requests.load(Ordering::Relaxed), number);
    }
}
