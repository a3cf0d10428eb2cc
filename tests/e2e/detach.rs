//! Detach that fails, is given up, or loses its host, at each of its steps.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::codec::Json;
use isolated_workers::driver::{Attach, Output};
use isolated_workers::error::ExitReason;
use isolated_workers::host::{Status, Timeouts};
use isolated_workers::transport::{Reconnect, UnixSocket};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{assert_error, runtime};
use tokio::sync::Notify;

use super::held_transport::{Held, Hold};
use super::*;

/// Texts of the confirmations of a worker: it is ready to be detached, and it is detached.
const READY: &str = "\"prepare_detach\"";
const DETACHED: &str = "\"detach\"";

/// Start of the go-away by which a host keeps a worker.
const LINGER: &str = "{\"kind\":\"go_away\",\"timeout\"";

type HeldWorker<T> = Worker<Link<Json>, Held<T>>;

/// Starts a worker whose host does not see the confirmation `step` until it is released.
async fn held<T: Reconnect>(transport: T, step: &'static str, timeouts: Timeouts) -> (HeldWorker<T>, Hold) {
    let (transport, hold) = Held::new(transport, step);
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    let worker = Worker::builder(program).transport(transport).timeouts(timeouts).spawn();
    (soon(worker).await.unwrap(), hold)
}

/// Starts a detach, and drops it while the host does not see the confirmation `step`.
async fn given_up<T: Reconnect>(transport: T, step: &'static str, timeouts: Timeouts) -> HeldWorker<T> {
    let (worker, hold) = held(transport, step, timeouts).await;
    assert_eq!(FaultsClient::new(worker.clone()).count().await.unwrap(), 1);
    let mut detach = Box::pin(worker.detach());
    assert!(futures_util::poll!(&mut detach).is_pending());
    soon(hold.reached()).await;
    drop(detach);
    soon(hold.wrote(LINGER)).await;
    hold.release();
    worker
}

/// Checks that a worker lingers and belongs to its host.
async fn assert_kept<T: Reconnect>(worker: HeldWorker<T>) {
    // Waits until the worker has confirmed that it lingers.
    let confirmed = soon(worker.disconnect()).await;
    assert!(confirmed.is_ok() || confirmed.unwrap_err().to_string().contains("disconnected already"));
    assert_eq!(*worker.status().borrow(), Status::Disconnected);
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 2);
    soon(worker.close()).await.unwrap();
}

/// A detached worker would linger without a limit.
async fn assert_not_detached<T: Reconnect>(worker: HeldWorker<T>) {
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

async fn a_detach_that_is_given_up_keeps_the_worker<T: Reconnect>(transport: T, step: &'static str) {
    assert_kept(given_up(transport.clone(), step, Timeouts::default()).await).await;
    let short = Timeouts::default().disconnected(Duration::from_millis(50));
    assert_not_detached(given_up(transport, step, short).await).await;
}

#[tokio::test]
async fn a_detach_that_is_given_up_at_any_step_keeps_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    for step in [READY, DETACHED] {
        a_detach_that_is_given_up_keeps_the_worker(UnixSocket, step).await;
        a_detach_that_is_given_up_keeps_the_worker(UnixSocket::at(folder.path().join("socket")), step).await;
        a_detach_that_is_given_up_keeps_the_worker(UnixSocket::bound_by_worker(), step).await;
    }
}

#[tokio::test]
async fn a_detach_that_is_confirmed_too_late_keeps_the_worker() {
    let late = async |step| {
        let (worker, hold) = held(UnixSocket, step, Timeouts::default()).await;
        assert_eq!(FaultsClient::new(worker.clone()).count().await.unwrap(), 1);
        let error = soon(worker.detach()).await.unwrap_err();
        assert_error(
            &error,
            ErrorKind::Timeout,
            &["could not detach the worker", "did not confirm within 5s"],
        );
        soon(hold.wrote(LINGER)).await;
        hold.release();
        assert_kept(worker).await;
    };
    tokio::join!(late(READY), late(DETACHED));
}

/// Notes that it was woken.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Starts a detach, and drops it when it could return the address. Returns `None` if it did.
async fn not_taken(timeouts: Timeouts) -> HeldWorker<UnixSocket> {
    let (worker, hold) = held(UnixSocket, DETACHED, timeouts).await;
    assert_eq!(FaultsClient::new(worker.clone()).count().await.unwrap(), 1);
    let mut detach = Box::pin(worker.detach());
    assert!(futures_util::poll!(&mut detach).is_pending());
    soon(hold.reached()).await;
    let woken = Arc::new(Woken(Notify::new()));
    assert!(detach.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken)))).is_pending());
    hold.release();
    soon(woken.0.notified()).await;
    drop(detach);
    worker
}

#[tokio::test]
async fn a_detach_whose_address_nobody_takes_keeps_the_worker() {
    assert_kept(not_taken(Timeouts::default()).await).await;
    assert_not_detached(not_taken(Timeouts::default().disconnected(Duration::from_millis(50))).await).await;
}

#[tokio::test]
async fn a_worker_is_detached_or_kept_whenever_its_detach_is_dropped() {
    for polls in 0..40 {
        let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
        let timeouts = Timeouts::default().disconnected(Duration::from_millis(50));
        let worker = soon(Worker::builder(program).timeouts(timeouts).spawn()).await.unwrap();
        let mut detach = Box::pin(worker.detach());
        let mut address = None;
        for _ in 0..polls {
            if let std::task::Poll::Ready(detached) = futures_util::poll!(&mut detach) {
                address = Some(detached.unwrap());
                break;
            }
            tokio::task::yield_now().await;
        }
        let is_made = polls > 0;
        drop(detach);
        match address {
            Some(address) => {
                assert_eq!(soon(worker.closed()).await, ExitReason::Detached);
                let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
                soon(worker.close()).await.unwrap();
            }
            None if is_made => assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0), "{polls}"),
            None => soon(worker.close()).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn close_and_kill_end_a_worker_at_any_step_of_its_detach() {
    for step in [READY, DETACHED] {
        for kills in [false, true] {
            let (worker, hold) = held(UnixSocket, step, Timeouts::default()).await;
            let process = PidFd::open(worker.pid());
            let mut detach = Box::pin(worker.detach());
            assert!(futures_util::poll!(&mut detach).is_pending());
            soon(hold.reached()).await;
            if kills {
                worker.kill();
            } else {
                soon(worker.close()).await.unwrap();
            }
            let error = soon(detach).await.unwrap_err();
            assert_error(
                &error,
                ErrorKind::Closed,
                &["could not detach the worker: it was closed meanwhile"],
            );
            assert!(process.ends_within(HANG_TIMEOUT));
        }
    }
}

#[test]
fn a_worker_ends_with_the_runtime_of_its_host_at_any_step_of_its_detach() {
    for step in [READY, DETACHED] {
        let runtime = runtime();
        let (process, _worker) = runtime.block_on(async {
            let (worker, hold) = held(UnixSocket, step, Timeouts::default()).await;
            let mut detach = Box::pin(worker.detach());
            assert!(futures_util::poll!(&mut detach).is_pending());
            soon(hold.reached()).await;
            (PidFd::open(worker.pid()), worker.clone())
        });
        drop(runtime);
        assert!(process.ends_within(HANG_TIMEOUT));
    }
}

/// The supervisor is not polled after the detach.
#[test]
fn a_worker_can_be_attached_although_the_runtime_of_its_first_host_stands_still() {
    let first = runtime();
    let (process, address, _worker) = first.block_on(async {
        let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
        let worker = Worker::builder(program).spawn().await.unwrap();
        (PidFd::open(worker.pid()), soon(worker.detach()).await.unwrap(), worker)
    });
    runtime().block_on(async {
        let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
        assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 1);
        soon(worker.close()).await.unwrap();
    });
    assert!(process.ends_within(HANG_TIMEOUT));
}
