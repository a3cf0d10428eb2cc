//! Wakers and extensions of requests, which are user code.
#![allow(unsafe_code)] // Only a raw waker runs code when it is cloned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

use futures_util::future::join_all;
use isolated_workers::protocol::{Body, Name, Request};
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

/// Returns a waker that runs `code` when it is cloned. Its clones do nothing.
fn on_clone<F: Fn() + Send + Sync + 'static>(code: &'static F) -> Waker {
    /// Functions of the waker of an `F`.
    struct Functions<F>(std::marker::PhantomData<F>);

    impl<F: Fn() + Send + Sync + 'static> Functions<F> {
        const TABLE: RawWakerVTable = RawWakerVTable::new(Self::clone, |_| {}, |_| {}, |_| {});

        unsafe fn clone(code: *const ()) -> RawWaker {
            // SAFETY: the data of this table's wakers is a static reference to an `F`.
            (unsafe { &*code.cast::<F>() })();
            RawWaker::new(std::ptr::null(), Waker::noop().vtable())
        }
    }

    let code = std::ptr::from_ref(code).cast();
    // SAFETY: the functions share an `F` that lives forever, and do nothing else.
    unsafe { Waker::from_raw(RawWaker::new(code, &Functions::<F>::TABLE)) }
}

/// Polls a call for the first time, and then in flight, with a waker that runs `code` when it is
/// cloned. Returns `true` if a poll panicked.
fn poll_new_and_in_flight<F: Fn() + Send + Sync>(
    mut call: impl FnMut() -> BoxFuture,
    code: &'static F,
) -> bool {
    let waker = on_clone(code);
    let mut has_panicked = false;
    for is_in_flight in [false, true] {
        let mut call = call();
        if is_in_flight {
            poll_with(&mut call, Waker::noop());
        }
        has_panicked |= catch_unwind(AssertUnwindSafe(|| poll_with(&mut call, &waker))).is_err();
    }
    has_panicked
}

#[tokio::test]
async fn the_clone_of_a_waker_may_make_a_call() {
    let worker = soon(worker().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let wait = move || -> BoxFuture {
        let client = client.clone();
        Box::pin(async move { client.wait().await.unwrap() })
    };
    let inner = wait.clone();
    let code: &'static _ = Box::leak(Box::new(move || poll_with(&mut inner(), Waker::noop())));
    // A deadlock must not hang the test itself.
    let polled = tokio::task::spawn_blocking(move || poll_new_and_in_flight(wait, code));
    assert!(!soon(polled).await.unwrap());
    assert_eq!(soon(FaultsClient::new(worker.clone()).echo(vec![1].into())).await.unwrap(), [1][..]);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn the_clone_of_a_waker_may_panic() {
    let worker = soon(worker().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let wait = || -> BoxFuture {
        let client = client.clone();
        Box::pin(async move { client.wait().await.unwrap() })
    };
    assert!(poll_new_and_in_flight(wait, &|| panic!("a waker cannot be cloned")));
    assert_eq!(soon(client.echo(vec![1].into())).await.unwrap(), [1][..]);
    // No call is left in flight.
    assert_eq!(soon(worker.drain()).await.map_err(|error| error.to_string()), Ok(()));
}

/// Runs code when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[tokio::test]
async fn an_extension_may_make_a_call_when_it_is_dropped() {
    let worker = soon(worker().spawn()).await.unwrap();
    for name in ["wait", "wait_a_little"] {
        let client = FaultsClient::new(worker.clone());
        let inner = move || {
            let client = client.clone();
            let mut call: BoxFuture = Box::pin(async move { client.wait().await.unwrap() });
            poll_with(&mut call, Waker::noop());
        };
        let mut request = Request::new(Name::from(name), Body::from(b"{}".to_vec()));
        request.extensions_mut().insert(OnDrop(inner));
        let worker = worker.clone();
        // A deadlock must not hang the test itself.
        let polled = tokio::task::spawn_blocking(move || {
            let mut call = std::pin::pin!(worker.call(request));
            call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
        });
        assert!(soon(polled).await.unwrap());
    }
    assert_eq!(soon(FaultsClient::new(worker.clone()).echo(vec![1].into())).await.unwrap(), [1][..]);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn an_extension_may_panic_when_it_is_dropped() {
    let worker = soon(worker().spawn()).await.unwrap();
    let mut request = Request::new(Name::from_static("wait"), Body::from(b"{}".to_vec()));
    request.extensions_mut().insert(OnDrop(|| panic!("no drop")));
    {
        let mut call = std::pin::pin!(worker.call(request));
        let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        // A layer of the worker may have caught the panic.
        let _ = catch_unwind(AssertUnwindSafe(poll));
    }
    assert_eq!(soon(FaultsClient::new(worker.clone()).echo(vec![1].into())).await.unwrap(), [1][..]);
    // No call is left in flight.
    assert_eq!(soon(worker.drain()).await.map_err(|error| error.to_string()), Ok(()));
}
