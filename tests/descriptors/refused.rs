//! Calls whose descriptors cannot be sent.

use isolated_workers::error::Executed;
use isolated_workers::transport::{NamedPipe, Stdio};
use isolated_workers::{ErrorKind, layer};
use isolated_workers_test_support::assert_error;

use super::*;
use crate::service::open_descriptors;

async fn refuses<T: Transport>(transport: T) {
    for wanted in [false, true] {
        let builder = Worker::builder(program("json")).transport(transport.clone());
        let builder = if wanted { builder.descriptors() } else { builder };
        refuses_descriptors(FilesClient::new(soon(builder.spawn()).await.unwrap())).await;
    }
}

async fn refuses_descriptors<S: Service>(files: FilesClient<S>) {
    let error = soon(files.read(file("text"))).await.unwrap_err();
    let advice = ["could not send `read`", "carries no descriptors", "call `.descriptors()`"];
    assert_error(&error, ErrorKind::Unsupported, &advice);
    assert_eq!(error.executed(), Executed::No);
    let error = soon(files.open("text".into())).await.unwrap_err();
    assert_error(&error, ErrorKind::Encode, &["the reply to `open`", "carries no descriptors"]);
    let error = soon(files.open_each(3).next()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("carries no descriptors"), "{error}");
    let error = soon(files.read_each(stream::iter([file("text")]))).await.unwrap_err();
    assert!(error.to_string().contains("carries no descriptors"), "{error}");
    // The connection goes on.
    assert_eq!(soon(files.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn transports_without_descriptors_refuse_them_with_advice() {
    refuses(Stdio).await;
    refuses(NamedPipe).await;
}

#[tokio::test]
async fn a_host_that_did_not_ask_for_descriptors_refuses_them_with_advice() {
    let worker = soon(Worker::builder(program("json")).spawn()).await.unwrap();
    refuses_descriptors(FilesClient::new(worker)).await;
}

#[tokio::test]
async fn a_value_with_too_many_files_is_refused() {
    let files = started("json", Json, UnixSocket).await;
    let error = soon(files.ignore((0..17).map(|_| file("")).collect())).await.unwrap_err();
    assert_error(&error, ErrorKind::Encode, &["more than 16 descriptors", "send them in several calls"]);
    assert_eq!(error.executed(), Executed::No);
    soon(files.ignore((0..16).map(|_| file("")).collect())).await.unwrap();
}

#[tokio::test]
async fn an_error_value_with_a_file_arrives_as_its_text() {
    let files = started("json", Json, UnixSocket).await;
    let CallError::Call(error) = soon(files.fail()).await.unwrap_err() else { panic!() };
    assert_error(&error, ErrorKind::Remote, &["it is open", "an error cannot have descriptors"]);
}

/// A retried call would have no file: the first attempt has moved it.
#[tokio::test]
async fn a_call_with_a_file_is_not_retried() {
    let retry = layer::Retry::new(5);
    let builder = Worker::builder(program("json")).on_crash(isolated_workers::host::OnCrash::retry(5));
    let worker = soon(builder.layer(retry).descriptors().spawn()).await.unwrap();
    let files = FilesClient::new(worker.clone());
    for _ in 0..3 {
        let before = open_descriptors();
        let error = soon(files.die_again(file(""))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
        assert_eq!(error.crash().unwrap().attempt, 1, "{error}");
        assert_eq!(soon(files.read(file("next"))).await.unwrap(), "next", "{before}");
    }
}

#[tokio::test]
async fn a_codec_alone_encodes_no_file() {
    let error = serde_json::to_string(&file("")).unwrap_err();
    assert!(error.to_string().contains("only as an argument, a reply or an item"), "{error}");
    assert!(serde_json::from_str::<Fd>("0").unwrap_err().to_string().contains("none was sent with it"));
}
