//! Streams of a host in Rust with a worker in Node.js. `host.mjs` has the other direction.

use futures_util::{StreamExt, TryStreamExt, poll, stream};
use isolated_workers::protocol::{Body, Request};
use isolated_workers::transport::UnixSocket;
use isolated_workers::{CallError, ErrorKind, Program, Service, Worker};
use isolated_workers_test_support::{assert_error, soon};

use super::node_worker::NodeWorker;
use super::script;
use super::service::{Boom, InteropClient};

/// Client of a Node.js worker with a handshake, in which the worker announces that it takes items.
async fn started() -> Option<InteropClient<NodeWorker>> {
    let program = Program::new("node").arg(script("worker.mjs")?).arg("greet-items");
    let worker = Worker::builder(program).transport(UnixSocket::bound_by_worker());
    Some(InteropClient::new(soon(worker.spawn()).await.unwrap()))
}

#[tokio::test]
async fn streams_work_in_both_directions_under_credit() {
    let Some(client) = started().await else { return };
    for (count, size) in [(0, 0), (1, 1), (10_000, 1), (20, 100_000), (3, 1 << 20)] {
        let texts: Vec<String> = soon(client.texts(count, size, false).try_collect()).await.unwrap();
        assert_eq!(texts.len(), count as usize);
        assert!(texts.iter().all(|text| *text == "ü".repeat(size)));
    }
    for end in [0, 1, 10_000] {
        assert_eq!(soon(client.total(stream::iter(0..end))).await.unwrap(), (0..end).sum::<u64>());
        let doubled: Vec<u64> = soon(client.double(stream::iter(0..end)).try_collect()).await.unwrap();
        assert!(doubled.into_iter().eq((0..end).map(|number| 2 * number)));
    }
}

#[tokio::test]
async fn an_error_ends_a_stream_after_its_items() {
    let Some(client) = started().await else { return };
    let mut texts = client.texts(2, 3, true);
    for _ in 0..2 {
        assert_eq!(soon(texts.next()).await.unwrap().unwrap(), "üüü");
    }
    let Some(Err(CallError::Service(boom))) = soon(texts.next()).await else { panic!("no error") };
    assert_eq!(boom, Boom { size: 2 });
    assert!(soon(texts.next()).await.is_none());
}

#[tokio::test]
async fn a_worker_sends_no_more_than_its_credit_and_learns_that_its_stream_was_dropped() {
    let Some(client) = started().await else { return };
    let mut endless = client.endless();
    assert_eq!(soon(endless.next()).await.unwrap().unwrap(), 0);
    // Nobody takes further items, and calls go on.
    let stalled = client.service().call(Request::new("stalled".into(), Body::empty()));
    let used: usize = serde_json::from_slice(soon(stalled).await.unwrap().body().as_bytes()).unwrap();
    assert!((256 << 10..(256 << 10) + 64).contains(&used), "{used} bytes are in use");
    assert_eq!(soon(client.add(2, 3)).await.unwrap(), 5);
    drop(endless);
    soon(client.wait_for_cancel()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_ends_the_items_of_its_caller_with_an_error() {
    let Some(client) = started().await else { return };
    let mut total = Box::pin(client.total(stream::iter([1, 2]).chain(stream::pending())));
    assert!(poll!(&mut total).is_pending());
    // The worker answers after it has received the request.
    tokio::select! {
        total = &mut total => panic!("{total:?}"),
        sum = client.add(2, 3) => assert_eq!(sum.unwrap(), 5),
    }
    drop(total);
    soon(client.wait_for_cancel()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_exits_during_a_stream_is_an_error() {
    let Some(client) = started().await else { return };
    let mut endless = client.endless();
    for number in 0..1000 {
        assert_eq!(soon(endless.next()).await.unwrap().unwrap(), number);
    }
    let exit = soon(client.exit(7)).await.unwrap_err();
    assert_eq!(exit.kind(), ErrorKind::Crashed);
    let mut taken = 1000;
    let error = loop {
        match soon(endless.next()).await.expect("the stream has ended without an error") {
            Ok(number) => assert_eq!(number, taken),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert_error(&error, ErrorKind::Crashed, &["exited with code 7", &format!("after {taken} items")]);
}

#[tokio::test]
async fn a_worker_that_announces_no_items_gets_no_request_with_streams() {
    let Some(script) = script("worker.mjs") else { return };
    let program = Program::new("node").arg(script).arg("greet");
    let worker = Worker::builder(program).transport(UnixSocket::bound_by_worker());
    let client = InteropClient::new(soon(worker.spawn()).await.unwrap());
    let error = soon(client.total(stream::iter([1]))).await.unwrap_err();
    assert_error(&error, ErrorKind::Unsupported, &["has not announced that it takes items"]);
    assert_eq!(soon(client.add(2, 3)).await.unwrap(), 5);
}
