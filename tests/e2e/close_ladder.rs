//! Close of workers that know no go-away, do not react to it, or are in another state.

use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::error::ExitReason;
use isolated_workers::host::{OnCrash, Status, Timeouts};
use isolated_workers::transport::{SocketPair, Stdio, Transport};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, KILLED};
use rustix::process::Signal;

use super::*;

/// Grace period that no test waits for.
fn patient() -> Timeouts {
    Timeouts::default().close(2 * HANG_TIMEOUT)
}

/// Exit reason of a shell script after `close`, and the result of `close`.
async fn closed<T: Transport>(
    script: &str,
    transport: T,
    timeouts: Timeouts,
) -> (ExitReason, Result<(), isolated_workers::Error>) {
    let ready = Fifo::new();
    let script = format!("{script}\necho > {}\nwhile :; do sleep 0.01; done", ready.path());
    let program = Program::new("sh").args(["-c", &script]);
    let builder = Worker::builder(program).transport(transport).without_handshake().timeouts(timeouts);
    let worker = soon(builder.spawn()).await.unwrap();
    let path = ready.path();
    soon(tokio::task::spawn_blocking(|| std::fs::read(path))).await.unwrap().unwrap();
    let closed = soon(worker.close()).await;
    (worker.closed().await, closed)
}

#[tokio::test]
async fn a_worker_that_knows_no_go_away_ends_on_sigterm() {
    let (reason, closed_well) = closed("", SocketPair, patient()).await;
    assert_eq!(reason, ExitReason::Signaled { signal: 15, core_dumped: false });
    closed_well.unwrap();
    let (reason, closed_well) = closed("trap 'exit 3' TERM", Stdio, patient()).await;
    assert_eq!(reason, ExitReason::Exited(3));
    closed_well.unwrap();
}

#[tokio::test]
async fn a_worker_that_ignores_sigterm_is_killed_with_an_error() {
    let timeouts = Timeouts::default().close(Duration::from_millis(100));
    let (reason, closed) = closed("trap '' TERM", SocketPair, timeouts).await;
    assert_eq!(reason, KILLED);
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_disconnected_worker_ends_on_sigterm() {
    let worker = soon(worker().timeouts(patient()).spawn()).await.unwrap();
    soon(worker.disconnect()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

/// A worker whose runtime is busy does not confirm that it lingers.
async fn busy() -> (Worker, FaultsClient<Worker>) {
    let (worker, client) = started().await;
    let busy = client.clone();
    tokio::spawn(async move { busy.spin().await });
    // The spawned task sends the call meanwhile.
    tokio::task::yield_now().await;
    (worker, client)
}

#[tokio::test]
async fn a_worker_that_is_being_disconnected_counts_as_disconnected() {
    let (worker, client) = busy().await;
    let mut disconnect = Box::pin(worker.disconnect());
    assert!(futures_util::poll!(&mut disconnect).is_pending());
    soon(worker.status().wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    assert!(worker.is_active() && !worker.is_connected());
    let refused = soon(client.count()).await.unwrap_err();
    assert!(refused.to_string().contains("the worker is disconnected; call `reconnect` first"), "{refused}");
    let late = soon(disconnect).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert_eq!(*worker.status().borrow(), Status::Disconnected);
    worker.kill();
    assert_eq!(soon(worker.closed()).await, KILLED);
}

#[tokio::test]
async fn kill_and_close_end_a_disconnect_that_waits() {
    for kills in [true, false] {
        let (worker, _client) = busy().await;
        let mut disconnect = Box::pin(worker.disconnect());
        assert!(futures_util::poll!(&mut disconnect).is_pending());
        soon(worker.status().wait_for(|status| *status == Status::Disconnected)).await.unwrap();
        if kills {
            worker.kill();
        } else {
            let mut close = Box::pin(worker.close());
            assert!(futures_util::poll!(&mut close).is_pending());
            soon(worker.status().wait_for(|status| *status == Status::Closing)).await.unwrap();
            worker.kill();
            soon(close).await.unwrap();
        }
        let error = soon(disconnect).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(error.to_string().contains("it was closed meanwhile"), "{error}");
        assert_eq!(soon(worker.closed()).await, KILLED);
    }
}

/// Commands get an error at once in each state in which they cannot be carried out.
#[tokio::test]
async fn commands_are_refused_at_once_in_other_states() {
    let long = Duration::from_secs(60);
    let policy = OnCrash::respawn().backoff(long, long);
    let worker = soon(worker().on_crash(policy).timeouts(patient()).spawn()).await.unwrap();
    PidFd::open(worker.pid()).signal(Signal::KILL);
    soon(worker.status().wait_for(|status| *status == Status::Starting)).await.unwrap();
    let error = soon(worker.disconnect()).await.unwrap_err();
    assert!(error.to_string().contains("the worker is being restarted"), "{error}");
    worker.kill();
    soon(worker.closed()).await;

    let (worker, client) = started().await;
    let mut wait = Box::pin(client.wait());
    assert!(futures_util::poll!(&mut wait).is_pending());
    let mut drain = Box::pin(worker.drain());
    assert!(futures_util::poll!(&mut drain).is_pending());
    soon(worker.status().wait_for(|status| *status == Status::Closing)).await.unwrap();
    let error = soon(worker.disconnect()).await.unwrap_err();
    assert!(error.to_string().contains("the worker is being drained or closed"), "{error}");
    worker.kill();
    soon(drain).await.unwrap();
    let error = soon(worker.disconnect()).await.unwrap_err();
    assert!(error.to_string().contains("the worker has ended"), "{error}");
}
