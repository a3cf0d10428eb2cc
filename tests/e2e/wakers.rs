//! Wakers, which are user code.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures_util::future::join_all;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;

use super::*;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls a call, whose future is dropped later, with this waker.
fn poll_with(future: &mut BoxFuture, waker: &Waker) {
    assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
}

/// Waker that owns a future, as the waker of a task does.
struct Owner(#[expect(dead_code, reason = "only dropped")] Mutex<BoxFuture>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test]
async fn a_waker_may_own_another_call() {
    let worker = soon(worker().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let call = || -> BoxFuture {
        let client = client.clone();
        Box::pin(async move { client.wait().await.unwrap() })
    };
    for is_replaced in [false, true] {
        let mut owned = call();
        poll_with(&mut owned, Waker::noop());
        let owner = Waker::from(Arc::new(Owner(Mutex::new(owned))));
        let mut owning = call();
        poll_with(&mut owning, &owner);
        // The connection has the last reference.
        drop(owner);
        // A deadlock must not hang the test itself.
        let dropped = tokio::task::spawn_blocking(move || {
            if is_replaced {
                poll_with(&mut owning, Waker::noop());
            }
        });
        soon(dropped).await.unwrap();
        assert_eq!(soon(client.echo(vec![1].into())).await.unwrap(), [1][..]);
    }
    soon(worker.close()).await.unwrap();
}

/// Waker that panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics");
    }
}

#[tokio::test]
async fn a_waker_that_panics_concerns_no_other_caller() {
    let worker = soon(worker().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let process = PidFd::open(worker.pid());
    // So that all answers arrive together.
    process.signal(Signal::STOP);
    let other = client.clone();
    let mut panics: BoxFuture = Box::pin(async move { drop(other.echo(vec![0].into()).await) });
    poll_with(&mut panics, &Waker::from(Arc::new(Panics)));
    let mut calls = Box::pin(join_all((1..6).map(|number| client.echo(vec![number].into()))));
    assert!(futures_util::poll!(&mut calls).is_pending());
    process.signal(Signal::CONT);
    for (number, answer) in (1..6).zip(soon(calls).await) {
        assert_eq!(answer.unwrap(), [number][..]);
    }
    soon(panics).await;
    soon(worker.close()).await.unwrap();
}
