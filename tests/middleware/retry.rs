//! The middleware `Retry` on host and worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use isolated_workers::error::Executed;
use isolated_workers::layer::{Retry, on_request};
use isolated_workers::protocol::Request;
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::soon;

use crate::support::service::DeskClient;
use crate::{desk, program};

#[tokio::test]
async fn a_retry_on_the_host_sends_its_attempt_number() {
    let calls = AtomicU32::new(0);
    let fails_twice = on_request(move |_: &mut Request| match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Err(Error::new(ErrorKind::Overloaded, "not yet")),
        _ => Ok(()),
    });
    let worker = program(&["plain"]).layer(Retry::new(5)).layer(fails_twice).spawn().await.unwrap();
    let described = soon(DeskClient::new(worker).describe(String::new())).await.unwrap();
    assert_eq!(described.attempt, 3);
}

#[tokio::test]
async fn a_worker_can_retry_itself() {
    let desk = desk(&["retry"]).await;
    assert_eq!(soon(desk.describe(String::new())).await.unwrap().attempt, 2);
    assert_eq!(soon(desk.describe(String::new())).await.unwrap().attempt, 1);
}

#[tokio::test]
async fn a_closed_worker_is_retried_up_to_the_limit_of_the_layer() {
    let attempts = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&attempts);
    let counts = on_request(move |_: &mut Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let worker = program(&["plain"]).layer(Retry::new(9)).layer(counts).spawn().await.unwrap();
    let desk = DeskClient::new(worker.clone());
    worker.kill();
    worker.closed().await;
    // Nothing is sent to a closed worker, so every call may be retried.
    let error = soon(desk.add(1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    assert_eq!(attempts.load(Ordering::SeqCst), 9);
}
