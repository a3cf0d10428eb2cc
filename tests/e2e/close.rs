use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::Timeouts;
use isolated_workers::testing::conformance::alone;
use isolated_workers::transport::{Stdio, Transport, UnixSocket};
use isolated_workers_test_support::process::{PidFd, children, descriptors};
use isolated_workers_test_support::{Fifo, block_on, runtime};
use rustix::process::Signal;

use super::*;

/// Default grace period of `close`.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

#[tokio::test]
async fn closing_an_idle_worker_does_not_wait_for_the_grace_period() {
    let (worker, client) = started().await;
    client.echo(vec![].into()).await.unwrap();
    let before = Instant::now();
    soon(worker.close()).await.unwrap();
    assert!(before.elapsed() < GRACE_PERIOD, "close waited for the whole grace period");
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
    let error = client.echo(vec![].into()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
}

#[tokio::test]
async fn close_fails_calls_in_flight_without_waiting_for_them() {
    let (worker, client) = started().await;
    let close = async {
        until_waiting(&client, 1).await;
        worker.close().await
    };
    let (call, close) = soon(async { tokio::join!(client.wait(), close) }).await;
    let error = call.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(
        error.to_string(),
        "the worker was closed while `wait` was in flight; `drain` lets calls finish first"
    );
    close.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

/// Longer than a process without a connection to a living host may run.
const CLEANUP_TIME: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_worker_may_clean_up_after_its_connection_has_ended() {
    async fn cleans_up<T: Transport>(transport: T, how: &str) {
        let pipe = Fifo::new();
        let program = Program::new(WORKER).arg("cleans-up").arg(pipe.path());
        let worker = soon(Worker::builder(program).transport(transport).spawn()).await.unwrap();
        let process = PidFd::open(worker.pid());
        let end = async {
            match how {
                "close" => worker.close().await.unwrap(),
                "drain" => worker.drain().await.unwrap(),
                _ => process.signal(Signal::TERM),
            }
            worker.closed().await
        };
        let cleanup = async {
            let opened = pipe.opened().await;
            assert!(tokio::time::timeout(CLEANUP_TIME, worker.closed()).await.is_err(), "{how}: cut off");
            drop(opened);
        };
        let (reason, ()) = soon(async { tokio::join!(end, cleanup) }).await;
        assert_eq!(reason, ExitReason::Exited(7), "{how} on {}", T::NAME);
    }
    let socket = ["close", "drain", "signal"].map(|how| cleans_up(UnixSocket, how));
    let pipes = ["close", "drain", "signal"].map(|how| cleans_up(Stdio, how));
    tokio::join!(join_all(socket), join_all(pipes));
}

#[tokio::test]
async fn close_can_be_called_more_than_once() {
    let (worker, _client) = started().await;
    let (one, two) = soon(async { tokio::join!(worker.close(), worker.close()) }).await;
    one.and(two).unwrap();
    soon(worker.close()).await.unwrap();
    worker.kill();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_worker_that_does_not_exit_is_killed_after_the_grace_period() {
    let worker = worker().timeouts(Timeouts::default().close(Duration::from_millis(100)));
    let worker = worker.spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let mut spin = Box::pin(client.spin());
    assert!(futures_util::poll!(&mut spin).is_pending());
    let error = soon(worker.close()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("was killed; raise `Timeouts::close`"), "{error}");
    assert!(matches!(worker.closed().await, ExitReason::Signaled { signal: 9, .. }));
}

#[tokio::test]
async fn kill_stops_a_busy_loop_and_overrides_close() {
    let (worker, client) = started().await;
    let mut spin = Box::pin(client.spin());
    assert!(futures_util::poll!(&mut spin).is_pending());
    let kill = async {
        tokio::task::yield_now().await;
        worker.kill();
    };
    let before = Instant::now();
    let (_, ()) = soon(async { tokio::join!(worker.close(), kill) }).await;
    assert!(before.elapsed() < GRACE_PERIOD);
    assert!(matches!(worker.closed().await, ExitReason::Signaled { signal: 9, .. }));
    assert_eq!(soon(spin).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_worker() {
    let (worker, client) = started().await;
    let process = PidFd::open(worker.pid());
    drop(worker);
    client.echo(vec![].into()).await.unwrap();
    drop(client);
    let ends = tokio::task::spawn_blocking(move || process.ends_within(HANG_TIMEOUT));
    assert!(ends.await.unwrap());
}

#[test]
fn dropping_the_runtime_ends_its_workers() {
    let runtime = runtime();
    let (worker, _client) = runtime.block_on(started());
    let process = PidFd::open(worker.pid());
    drop(runtime);
    assert!(process.ends_within(HANG_TIMEOUT));
    block_on(soon(worker.closed()));
}

/// Runs in its own process, because it counts the descriptors and children of the whole process.
#[test]
fn a_hundred_workers_leave_no_process_or_descriptor() {
    alone(concat!(module_path!(), "::a_hundred_workers_leave_no_process_or_descriptor"), hundred_workers);
}

fn hundred_workers() {
    let runtime = runtime();
    let rounds = |count: usize| {
        runtime.block_on(async {
            for round in 0..count {
                let (worker, client) = started().await;
                match round % 4 {
                    0 => soon(worker.close()).await.unwrap(),
                    1 => worker.kill(),
                    2 => drop(soon(client.exit(1)).await),
                    _ => drop(futures_util::poll!(Box::pin(client.wait()))),
                }
                worker.kill();
                soon(worker.closed()).await;
            }
        });
    };
    rounds(4);
    let before = descriptors();
    rounds(100);
    assert_eq!(descriptors(), before);
    assert_eq!(children(), Vec::<u32>::new(), "zombies or survivors");
}
