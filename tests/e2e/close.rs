use std::time::{Duration, Instant};

use isolated_workers::testing::conformance::alone;
use isolated_workers::{ErrorKind, Executed, ExitReason, Timeouts};

use super::process::{Watched, children, descriptors};
use super::*;

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_idle_worker_ends_by_itself_at_once() {
    let (worker, client) = started().await;
    client.echo(vec![].into()).await.unwrap();
    let before = Instant::now();
    soon(worker.close()).await.unwrap();
    assert!(before.elapsed() < GRACE, "it was not waited for the grace to be over");
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
    let error = client.echo(vec![].into()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
}

#[tokio::test]
async fn close_fails_what_is_in_flight_and_does_not_wait_for_it() {
    let (worker, client) = started().await;
    let close = async {
        waiting(&client, 1).await;
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

#[tokio::test]
async fn close_twice_at_once_and_again_does_no_harm() {
    let (worker, _client) = started().await;
    let (one, two) = soon(async { tokio::join!(worker.close(), worker.close()) }).await;
    one.and(two).unwrap();
    soon(worker.close()).await.unwrap();
    worker.kill();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_worker_that_does_not_end_is_killed_after_the_grace() {
    let worker = worker().timeouts(Timeouts::default().close(Duration::from_millis(100)));
    let worker = worker.spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let mut spin = Box::pin(client.spin());
    assert!(futures_util::poll!(&mut spin).is_pending());
    let error = soon(worker.close()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("was killed; a longer `Timeouts::close`"), "{error}");
    assert!(matches!(worker.closed().await, ExitReason::Signalled { signal: 9, .. }));
}

#[tokio::test]
async fn kill_stops_a_busy_loop_and_overrules_a_close() {
    let (worker, client) = started().await;
    let mut spin = Box::pin(client.spin());
    assert!(futures_util::poll!(&mut spin).is_pending());
    let kill = async {
        tokio::task::yield_now().await;
        worker.kill();
    };
    let before = Instant::now();
    let (_, ()) = soon(async { tokio::join!(worker.close(), kill) }).await;
    assert!(before.elapsed() < GRACE);
    assert!(matches!(worker.closed().await, ExitReason::Signalled { signal: 9, .. }));
    assert_eq!(soon(spin).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let (worker, client) = started().await;
    let process = Watched::new(worker.pid());
    drop(worker);
    client.echo(vec![].into()).await.unwrap();
    drop(client);
    let ends = tokio::task::spawn_blocking(move || process.ends_within(PATIENCE));
    assert!(ends.await.unwrap());
}

#[test]
fn a_runtime_that_goes_away_takes_its_workers_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (worker, _client) = runtime.block_on(started());
    let process = Watched::new(worker.pid());
    drop(runtime);
    assert!(process.ends_within(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(soon(worker.closed()));
}

/// In a process of its own, because it counts what the whole process has.
#[test]
fn nothing_is_left_of_a_hundred_workers() {
    alone(concat!(module_path!(), "::nothing_is_left_of_a_hundred_workers"), hundred_workers);
}

fn hundred_workers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
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
    assert_eq!(children(), Vec::<u32>::new(), "no zombie, no survivor");
}
