use std::io::Write;

use isolated_workers::CallError;
use isolated_workers::error::ExitReason;
use isolated_workers::host::Heartbeat;
use isolated_workers_test_support::Fifo;

use super::*;

const PING_TIMEOUT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_blocking_call_does_not_stop_pings_or_other_calls() {
    let heartbeat = Heartbeat::every(PING_TIMEOUT).timeout(PING_TIMEOUT);
    let worker = soon(life_worker("plain").heartbeat(heartbeat).spawn()).await.unwrap();
    let (client, pid, pipe) = (LifeClient::new(worker.clone()), worker.pid(), Fifo::new());
    let finish = async {
        let mut read = pipe.opened().await;
        let died = tokio::time::timeout(10 * PING_TIMEOUT, worker.closed()).await;
        assert!(died.is_err(), "a blocking worker was taken for hung: {died:?}");
        assert_eq!(client.pid().await.unwrap(), pid);
        read.write_all(b"at last").unwrap();
    };
    let (answer, ()) = soon(async { tokio::join!(client.read(pipe.path()), finish) }).await;
    assert_eq!(answer.unwrap(), "at last");
}

#[tokio::test]
async fn a_dropped_blocking_call_runs_to_its_end_and_its_reply_is_discarded() {
    let worker = soon(life_worker("plain").spawn()).await.unwrap();
    let (client, pipe) = (LifeClient::new(worker.clone()), Fifo::new());
    let mut call = Box::pin(client.read(pipe.path()));
    assert!(futures_util::poll!(&mut call).is_pending());
    let mut read = pipe.opened().await;
    drop(call);
    assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
    read.write_all(b"for nobody").expect("the handler still reads");
    drop(read);
    assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
    soon(worker.drain()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_blocking_handler_sees_that_its_call_was_dropped() {
    let worker = soon(life_worker("plain").spawn()).await.unwrap();
    let (client, first, second) = (LifeClient::new(worker), Fifo::new(), Fifo::new());
    let mut call = Box::pin(client.read_after_cancel(first.path(), second.path()));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(first.opened().await);
    drop(call);
    soon(second.opened()).await;
}

#[tokio::test]
async fn blocking_calls_run_concurrently_and_return_their_own_errors() {
    let worker = soon(life_worker("plain").spawn()).await.unwrap();
    let (client, first, second) = (LifeClient::new(worker), Fifo::new(), Fifo::new());
    let finish = async {
        // Both handlers read concurrently.
        let (mut second, mut first) = (second.opened().await, first.opened().await);
        assert_eq!(client.divide(7, 2).await.unwrap(), 3);
        second.write_all(b"second").unwrap();
        first.write_all(b"first").unwrap();
    };
    let calls = async { tokio::join!(client.read(first.path()), client.read(second.path()), finish) };
    let (one, other, ()) = soon(calls).await;
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("first", "second"));
    let error = soon(client.divide(7, 0)).await.unwrap_err();
    assert!(matches!(error, CallError::Service(why) if why == "7 by 0"));
}
