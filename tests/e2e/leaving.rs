//! Workers that announce their end, for example after a SIGTERM, and their successors.

use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::host::{OnCrash, Status, Timeouts};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, runtime};
use rustix::process::Signal;

use super::*;

type Started = (Worker, LifeClient<Worker>, PidFd);

async fn started_with(policy: OnCrash, timeouts: Timeouts) -> Started {
    let worker = soon(life_worker("plain").on_crash(policy).timeouts(timeouts).spawn()).await.unwrap();
    let process = PidFd::open(worker.pid());
    (worker.clone(), LifeClient::new(worker), process)
}

/// Limits after which a worker that leaves is killed soon.
fn short() -> Timeouts {
    Timeouts::default().drain(Duration::from_millis(50)).close(Duration::from_millis(50))
}

async fn ends(process: PidFd) {
    let ended = tokio::task::spawn_blocking(move || process.ends_within(HANG_TIMEOUT));
    assert!(ended.await.unwrap(), "the worker still runs");
}

async fn reaches(worker: &Worker, status: Status) {
    soon(worker.status().wait_for(|now| *now == status)).await.unwrap();
}

#[tokio::test]
async fn a_successor_serves_while_a_worker_that_leaves_finishes_its_call() {
    let (worker, client, old) = started_with(OnCrash::respawn(), Timeouts::default()).await;
    let (first, pipe) = (worker.pid(), Fifo::new());
    let mut dropped = Box::pin(client.wait());
    assert!(futures_util::poll!(&mut dropped).is_pending());
    let finish = async {
        let mut read = pipe.opened().await;
        old.signal(Signal::TERM);
        reaches(&worker, Status::Starting).await;
        // Waits for the successor.
        let second = soon(client.pid()).await.unwrap();
        assert_ne!(second, first);
        assert_eq!((worker.pid(), worker.is_active()), (second, true));
        assert!(!old.has_ended());
        // The cancel of a call reaches the worker that runs it.
        drop(dropped);
        std::io::Write::write_all(&mut read, b"the reply").unwrap();
        second
    };
    let (answer, second) = soon(async { tokio::join!(client.read(pipe.path()), finish) }).await;
    assert_eq!(answer.unwrap(), "the reply");
    ends(old).await;
    assert_eq!(soon(client.pid()).await.unwrap(), second);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_leaves_and_does_not_end_is_killed_at_its_limit() {
    for policy in [OnCrash::respawn(), OnCrash::reject()] {
        let (worker, client, old) = started_with(policy, short()).await;
        let (never, first) = (Fifo::new(), worker.pid());
        client.copy(never.path(), never.sibling("copy")).await.unwrap();
        assert_eq!(soon(client.pid()).await.unwrap(), first);
        old.signal(Signal::TERM);
        if policy == OnCrash::respawn() {
            reaches(&worker, Status::Starting).await;
            assert_ne!(soon(client.pid()).await.unwrap(), first);
            ends(old).await;
            soon(worker.close()).await.unwrap();
        } else {
            reaches(&worker, Status::Closing).await;
            assert!(!worker.is_active());
            let error = soon(client.pid()).await.unwrap_err();
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
            let error = soon(worker.disconnect()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
            soon(worker.closed()).await;
            ends(old).await;
        }
    }
}

#[tokio::test]
async fn close_and_kill_end_a_worker_that_leaves_and_its_successor() {
    for kills in [true, false] {
        let (worker, client, old) = started_with(OnCrash::respawn(), Timeouts::default()).await;
        let pipe = Fifo::new();
        let mut call = Box::pin(client.read(pipe.path()));
        assert!(futures_util::poll!(&mut call).is_pending());
        let _read = pipe.opened().await;
        old.signal(Signal::TERM);
        reaches(&worker, Status::Starting).await;
        soon(client.pid()).await.unwrap();
        let successor = PidFd::open(worker.pid());
        if kills {
            worker.kill();
            soon(worker.closed()).await;
        } else {
            // A thread reads the pipe and cannot be cancelled, so the process is killed.
            let _ = soon(worker.close()).await;
        }
        assert_eq!(soon(call).await.unwrap_err().kind(), ErrorKind::Closed);
        assert!(old.has_ended() && successor.has_ended());
        assert_eq!(*worker.status().borrow(), Status::Closed);
    }
}

#[tokio::test]
async fn drain_waits_for_a_worker_that_leaves_and_its_successor() {
    let (worker, client, old) = started_with(OnCrash::respawn(), Timeouts::default()).await;
    let pipe = Fifo::new();
    let finish = async {
        let read = pipe.opened().await;
        old.signal(Signal::TERM);
        reaches(&worker, Status::Starting).await;
        soon(client.pid()).await.unwrap();
        let mut drain = Box::pin(worker.drain());
        assert!(futures_util::poll!(&mut drain).is_pending());
        drop(read);
        soon(drain).await.unwrap();
    };
    let (answer, ()) = soon(async { tokio::join!(client.read(pipe.path()), finish) }).await;
    assert_eq!(answer.unwrap(), "");
    assert!(old.has_ended());
}

#[tokio::test]
async fn a_call_of_a_worker_that_leaves_and_crashes_is_retried_on_its_successor() {
    let worker = soon(worker().on_crash(OnCrash::retry(1)).spawn()).await.unwrap();
    let (client, old) = (FaultsClient::new(worker.clone()), PidFd::open(worker.pid()));
    let crash = async {
        // The call has started when a later one is answered.
        client.count().await.unwrap();
        old.signal(Signal::TERM);
        reaches(&worker, Status::Starting).await;
        client.count().await.unwrap();
        old.signal(Signal::KILL);
        release(&client, [7]).await;
    };
    let (answer, ()) = soon(async { tokio::join!(client.gate_again(7), crash) }).await;
    assert_eq!(answer.unwrap(), 7);
}

#[test]
fn calls_of_a_worker_that_leaves_end_when_its_runtime_is_dropped() {
    let theirs = runtime();
    let (worker, client, old) = theirs.block_on(started_with(OnCrash::respawn(), Timeouts::default()));
    let mut call = Box::pin(client.wait());
    theirs.block_on(async {
        assert!(futures_util::poll!(&mut call).is_pending());
        client.pid().await.unwrap();
        old.signal(Signal::TERM);
        reaches(&worker, Status::Starting).await;
        soon(client.pid()).await.unwrap();
    });
    drop(theirs);
    let error = runtime().block_on(soon(call)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(old.ends_within(HANG_TIMEOUT));
}
