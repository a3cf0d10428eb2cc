//! Calls made at the moment at which the status of a worker changes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use bytes::Bytes;
use futures_util::future::{MaybeDone, maybe_done};
use isolated_workers::error::Executed;
use isolated_workers::host::{OnCrash, Status};
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::assert_error;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

type Call = MaybeDone<Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>>;

/// Makes a call within the change that wakes it.
struct CallsOnWake {
    worker: Worker,
    /// Receives the call, and the status at which it was made.
    made: UnboundedSender<(Status, Call)>,
}

impl Wake for CallsOnWake {
    fn wake(self: Arc<Self>) {
        let client = FaultsClient::new(self.worker.clone());
        let status = *self.worker.status().borrow();
        let mut call: Call = maybe_done(Box::pin(async move { client.echo(vec![1].into()).await }));
        let _ = Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop()));
        let _ = self.made.send((status, call));
    }
}

/// Causes a change for which `watched` waits. Returns the result of a call made within the change,
/// and the status then.
async fn called_within(
    worker: &Worker,
    watched: impl Future,
    change: impl AsyncFnOnce(&Worker),
) -> (Status, Result<Bytes, Error>) {
    let (made, mut calls) = unbounded_channel();
    let waker = Waker::from(Arc::new(CallsOnWake { worker: worker.clone(), made }));
    let mut watched = Box::pin(watched);
    assert!(watched.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    change(worker).await;
    let (status, mut call) = soon(calls.recv()).await.unwrap();
    soon(&mut call).await;
    (status, Pin::new(&mut call).take_output().unwrap())
}

/// Result of a call made within the next change of the status, which must be to `status`.
async fn called_at(
    worker: &Worker,
    status: Status,
    change: impl AsyncFnOnce(&Worker),
) -> Result<Bytes, Error> {
    let mut watch = worker.status();
    watch.borrow_and_update();
    let (changed, result) = called_within(worker, watch.changed(), change).await;
    assert_eq!(changed, status);
    result
}

async fn killed(worker: &Worker) {
    PidFd::open(worker.pid()).signal(Signal::KILL);
}

fn assert_refused(result: Result<Bytes, Error>, text: &str) {
    let error = result.unwrap_err();
    assert_error(&error, ErrorKind::Closed, &["could not call `echo`", text]);
    assert_eq!(error.executed(), Executed::No);
}

#[tokio::test]
async fn a_call_after_the_end_of_a_worker_is_not_in_flight() {
    let (worker, _) = started().await;
    assert_refused(called_at(&worker, Status::Closed, killed).await, "closed or closing");
    let (worker, _) = started().await;
    assert_refused(called_within(&worker, worker.closed(), killed).await.1, "closed or closing");
}

#[tokio::test]
async fn a_call_after_the_begin_of_a_close_is_not_in_flight() {
    let (worker, _) = started().await;
    let close = async |worker: &Worker| soon(worker.close()).await.unwrap();
    assert_refused(called_at(&worker, Status::Closing, close).await, "closed or closing");
    let (worker, _) = started().await;
    let drain = async |worker: &Worker| soon(worker.drain()).await.unwrap();
    assert_refused(called_at(&worker, Status::Closing, drain).await, "being drained");
}

#[tokio::test]
async fn a_call_after_the_begin_of_a_disconnect_is_not_in_flight() {
    let (worker, _) = started().await;
    let disconnect = async |worker: &Worker| soon(worker.disconnect()).await.unwrap();
    assert_refused(called_at(&worker, Status::Disconnected, disconnect).await, "disconnected");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_call_after_the_death_of_a_worker_waits_for_its_successor() {
    let worker = soon(worker().on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let answer = called_at(&worker, Status::Starting, killed).await;
    assert_eq!(answer.unwrap(), [1][..]);
    soon(worker.close()).await.unwrap();
}
