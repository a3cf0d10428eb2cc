use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::error::Executed;
use isolated_workers::host::Timeouts;
use isolated_workers::protocol::{Body, Name, Request, TxId};
use isolated_workers::{Error, ErrorKind, Service};

use super::*;

#[tokio::test]
async fn concurrent_calls_each_get_their_own_reply() {
    let (worker, client) = started().await;
    let keys: Vec<u32> = (0..500).collect();
    let gates = join_all(keys.iter().map(|key| client.gate(*key)));
    let releases = async {
        // Replies come in the reverse order of the requests.
        release(&client, keys.iter().rev().copied()).await;
    };
    let (answers, ()) = soon(async { tokio::join!(gates, releases) }).await;
    let answers: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, keys);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn bodies_of_every_size_round_trip() {
    let (worker, client) = started().await;
    for size in [0, 1, 63, 64 << 10, (64 << 10) + 1, 1 << 20, 4 << 20] {
        let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        assert!(soon(client.echo(data.clone().into())).await.unwrap() == data, "{size} bytes");
    }
    worker.close().await.unwrap();
}

#[tokio::test]
async fn large_and_small_calls_share_a_connection() {
    let (worker, client) = started_binary().await;
    let calls = (0..200usize).map(|i| {
        let data = vec![i as u8; if i % 10 == 0 { 4 << 20 } else { i }];
        let client = &client;
        async move { client.echo(data.clone().into()).await.unwrap() == data }
    });
    assert!(soon(join_all(calls)).await.into_iter().all(|is_same| is_same));
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_worker_on_a_multi_thread_runtime_answers_every_call() {
    let worker = Worker::builder(Program::new(WORKER).arg("threads")).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let calls = (0..2000u32).map(|i| {
        let client = &client;
        async move { client.echo(i.to_be_bytes().to_vec().into()).await.unwrap() == i.to_be_bytes()[..] }
    });
    assert!(soon(join_all(calls)).await.into_iter().all(|is_same| is_same));
    worker.close().await.unwrap();
}

#[tokio::test]
async fn dropping_a_call_cancels_its_handler() {
    let (worker, client) = started().await;
    let mut calls: Vec<_> = (0..20).map(|_| Box::pin(client.wait())).collect();
    for call in &mut calls {
        assert!(futures_util::poll!(call).is_pending());
    }
    until_waiting(&client, 20).await;
    drop(calls);
    until_waiting(&client, 0).await;
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..], "the connection is still in step");
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_message_timeout_fails_the_call_and_cancels_its_handler() {
    let (worker, client) = started().await;
    let error = soon(client.wait_a_little()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::Maybe));
    assert!(
        error.to_string().contains("could not complete `wait_a_little`: it was not answered within 50ms"),
        "{error}"
    );
    until_waiting(&client, 0).await;
    worker.close().await.unwrap();
}

#[tokio::test]
async fn messages_without_a_timeout_use_the_default_of_the_worker() {
    let worker = worker().timeouts(Timeouts::default().message(Duration::from_millis(30)));
    let worker = worker.spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    assert_eq!(soon(client.wait()).await.unwrap_err().kind(), ErrorKind::Timeout);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_duplicate_id_is_refused_and_the_first_call_continues() {
    let taken = || TxId::from("the one id");
    let worker = worker().ids(taken).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let mut first = Box::pin(client.gate(1));
    assert!(futures_util::poll!(&mut first).is_pending());
    let error = soon(client.echo(vec![].into())).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::DuplicateId, Executed::No));
    assert!(error.to_string().contains("the one id"), "{error}");

    let mut release = Request::new(Name::from_static("release"), b"{\"key\":1}".to_vec().into());
    release.set_id(2.into());
    soon(async { while worker.call(release.clone()).await.unwrap().body().as_bytes() != b"true" {} }).await;
    assert_eq!(soon(first).await.unwrap(), 1);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_message_without_a_name_is_refused_before_it_is_sent() {
    for codec in ["json", "postcard"] {
        let (error, sum) = match codec {
            "json" => nameless(&started().await.0).await,
            _ => nameless(&started_binary().await.0).await,
        };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Invalid, Executed::No), "{codec}");
        assert!(error.to_string().ends_with("set a name"), "{error}");
        assert!(sum, "{codec}: the connection still works");
    }
}

async fn nameless<S: Service>(worker: &S) -> (Error, bool) {
    let nameless = Request::new(Name::from_static(""), Body::empty());
    let error = soon(worker.call(nameless)).await.unwrap_err();
    let lives = soon(FaultsClient::new(worker).echo(vec![7].into())).await.is_ok();
    (error, lives)
}

#[tokio::test]
async fn a_panic_fails_only_its_own_call() {
    let (worker, client) = started().await;
    let error = soon(client.panic("out of cheese".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(
        error.to_string().contains("the handler of `panic` panicked at tests/e2e/programs/faults_worker.rs:"),
        "{error}"
    );
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..]);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_reply_that_the_codec_cannot_encode_fails_only_its_own_call() {
    let (worker, client) = started().await;
    let error = soon(client.unencodable()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("could not encode the reply to `unencodable` as json"), "{error}");
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..]);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn oneway_messages_arrive_in_order_and_before_later_calls() {
    let (worker, client) = started().await;
    for i in 0..100 {
        client.note(i.to_string()).await.unwrap();
    }
    let expected: Vec<_> = (0..100).map(|i| i.to_string()).collect();
    assert_eq!(client.notes().await.unwrap(), expected);
    worker.close().await.unwrap();
}

/// Each side knows the limits of the other from the handshake.
#[tokio::test]
async fn a_frame_over_the_limit_of_its_receiver_fails_only_its_own_call() {
    // The worker has a limit of 8 MiB.
    let large = Limits::default().frame(16 << 20).metadata(1 << 20);
    let builder = Worker::builder(Program::new(WORKER).arg("postcard")).codec(Postcard).limits(large);
    let worker = soon(builder.spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let error = soon(client.echo(vec![7; 9 << 20].into())).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::No), "{error}");
    assert!(error.to_string().contains("over the limit of 8388608; raise `Limits::frame`"), "{error}");
    let mut request = Request::new(Name::from_static("count"), vec![].into());
    request.metadata_mut().insert("key", "v".repeat(100_000));
    let error = soon(worker.call(request)).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::No), "{error}");
    assert_eq!(client.count().await.unwrap(), 1);
    worker.close().await.unwrap();

    let small = Limits::default().frame(1 << 20);
    let builder = Worker::builder(Program::new(WORKER).arg("postcard")).codec(Postcard).limits(small);
    let worker = soon(builder.spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    for _ in 0..3 {
        client.note("x".repeat(1 << 19)).await.unwrap();
    }
    let error = soon(client.notes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().starts_with("could not send the reply to `notes`"), "{error}");
    soon(worker.disconnect()).await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    let error = soon(client.notes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(client.count().await.unwrap(), 1);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_frame_over_the_limit_fails_only_its_own_call_on_either_side() {
    let small = |limits: Limits| async move {
        let worker = Worker::builder(Program::new(WORKER).arg("postcard"))
            .codec(Postcard)
            .limits(limits)
            .spawn()
            .await
            .unwrap();
        (worker.clone(), FaultsClient::new(worker))
    };
    // The host refuses to send the request.
    let (worker, client) = small(Limits::default().frame(1 << 20)).await;
    let error = soon(client.echo(vec![7; 2 << 20].into())).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::No));
    assert_eq!(
        error.to_string(),
        "could not encode the message `echo` as postcard: it has more than 1048576 bytes; raise \
         `Limits::frame` on both sides"
    );
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..]);
    worker.close().await.unwrap();

    // The worker has a limit of 8 MiB. It refuses a reply of more bytes.
    let (worker, client) = small(Limits::default().frame(16 << 20)).await;
    for _ in 0..9 {
        client.note("x".repeat(1 << 20)).await.unwrap();
    }
    let error = soon(client.notes()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error.to_string().starts_with("could not encode the reply to `notes` as postcard: it has more than"),
        "{error}"
    );
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..]);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn printed_output_never_enters_a_frame() {
    let (worker, client) = started().await;
    client.print("{\"kind\":\"go_away\"}\n".into()).await.unwrap();
    assert_eq!(client.stdin().await.unwrap(), "");
    assert_eq!(client.echo(vec![1].into()).await.unwrap(), [1][..]);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn is_worker_is_true_in_a_worker_and_false_in_its_children() {
    let (worker, client) = started().await;
    assert_eq!(client.is_worker().await.unwrap(), (true, false));
    assert!(!isolated_workers::is_worker());
    worker.close().await.unwrap();
}
