use std::io::Write;

use isolated_workers::{CallError, ExitReason, Heartbeat};

use super::*;

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_worker_that_blocks_for_long_is_alive_and_answers_others() {
    let heartbeat = Heartbeat::every(SOON).timeout(SOON);
    let worker = soon(living("plain").heartbeat(heartbeat).spawn()).await.unwrap();
    let (client, pid, pipe) = (LifeClient::new(worker.clone()), worker.pid(), Pipe::new());
    let finish = async {
        let mut read = pipe.opened().await;
        let died = tokio::time::timeout(10 * SOON, worker.closed()).await;
        assert!(died.is_err(), "it was taken for hung: {died:?}");
        assert_eq!(client.pid().await.unwrap(), pid);
        read.write_all(b"at last").unwrap();
    };
    let (answer, ()) = soon(async { tokio::join!(client.read(pipe.path()), finish) }).await;
    assert_eq!(answer.unwrap(), "at last");
}

#[tokio::test]
async fn a_blocking_call_that_is_given_up_goes_on_and_its_reply_is_dropped() {
    let worker = soon(living("plain").spawn()).await.unwrap();
    let (client, pipe) = (LifeClient::new(worker.clone()), Pipe::new());
    let mut call = Box::pin(client.read(pipe.path()));
    assert!(futures_util::poll!(&mut call).is_pending());
    let mut read = pipe.opened().await;
    drop(call);
    assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
    read.write_all(b"for nobody").expect("it reads on");
    drop(read);
    assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
    soon(worker.drain()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_blocking_call_sees_that_it_is_given_up() {
    let worker = soon(living("plain").spawn()).await.unwrap();
    let (client, first, second) = (LifeClient::new(worker), Pipe::new(), Pipe::new());
    let mut call = Box::pin(client.read_until_given_up(first.path(), second.path()));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(first.opened().await);
    drop(call);
    soon(second.opened()).await;
}

#[tokio::test]
async fn blocking_calls_run_side_by_side_and_have_errors_of_their_own() {
    let worker = soon(living("plain").spawn()).await.unwrap();
    let (client, first, second) = (LifeClient::new(worker), Pipe::new(), Pipe::new());
    let finish = async {
        // Both are being read at once.
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
