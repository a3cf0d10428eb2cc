//! Open files as values of calls.

mod leak;
mod refused;
mod service;

use std::os::unix::net::UnixStream;

use futures_util::stream;
use isolated_workers::Service;
use isolated_workers::codec::{Cbor, Codec, Compressed, Fd, Json, Postcard};
use isolated_workers::driver::Thread;
use isolated_workers::prelude::*;
use isolated_workers::sandbox::Sandbox;
use isolated_workers::service::BoxService;
use isolated_workers::testing::Dribble;
use isolated_workers::transport::{Reconnect, SocketPair, Transport, UnixSocket};
use isolated_workers_test_support::soon;
use service::{Desk, Files as _, FilesClient, Folder, file, text};

fn program(codec: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_descriptors-worker")).arg(codec)
}

async fn started<C: Codec, T: Transport>(name: &str, codec: C, transport: T) -> FilesClient<BoxService<C>> {
    let worker = Worker::builder(program(name)).codec(codec).transport(transport).descriptors();
    FilesClient::new(BoxService::new(soon(worker.spawn()).await.unwrap()))
}

async fn files_travel_in_every_position<S: Service>(files: &FilesClient<S>) {
    assert_eq!(soon(files.read(file("an argument"))).await.unwrap(), "an argument");
    let folder = Folder {
        name: "fields".into(),
        files: (0..15).map(|number| (number, file(&number.to_string()))).collect(),
        more: Some(file("more")),
    };
    let read = soon(files.read_all(folder)).await.unwrap();
    assert_eq!((read.len(), &*read[0], &*read[7], &*read[16]), (17, "fields", "6", "more"));
    assert_eq!(text(soon(files.open("a reply".into())).await.unwrap()), "a reply");
    let mut opened = files.open_each(300);
    for number in 0..300 {
        let file = soon(opened.next()).await.unwrap().unwrap();
        assert_eq!(text(file), number.to_string());
    }
    let sent = stream::iter((0..100).map(|number| file(&number.to_string())));
    let read = soon(files.read_each(sent)).await.unwrap();
    assert_eq!(read, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(soon(files.is_cloexec(file(""))).await.unwrap());
    assert_eq!(soon(files.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn files_travel_over_unix_sockets_with_every_codec() {
    files_travel_in_every_position(&started("json", Json, UnixSocket).await).await;
    files_travel_in_every_position(&started("postcard", Postcard, UnixSocket).await).await;
    files_travel_in_every_position(&started("cbor", Cbor, UnixSocket).await).await;
    files_travel_in_every_position(&started("compressed", Compressed::new(Json), UnixSocket).await).await;
}

#[tokio::test]
async fn files_travel_however_writes_and_reads_are_split() {
    files_travel_in_every_position(&started("dribble", Json, Dribble::new(UnixSocket)).await).await;
}

#[tokio::test]
async fn files_travel_over_socket_pairs() {
    files_travel_in_every_position(&started("postcard", Postcard, SocketPair).await).await;
}

#[tokio::test]
async fn files_travel_over_a_socket_at_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let transport = UnixSocket::at(folder.path().join("worker"));
    files_travel_in_every_position(&started("json", Json, transport).await).await;
    files_travel_in_every_position(&started("json", Json, UnixSocket::bound_by_worker()).await).await;
}

#[tokio::test]
async fn files_move_to_a_thread() {
    let thread = Thread::new(|| async { serve(Desk.into_service()).await });
    let worker = soon(Worker::builder(thread).descriptors().spawn()).await.unwrap();
    files_travel_in_every_position(&FilesClient::new(worker)).await;
}

#[tokio::test]
async fn files_travel_to_the_workers_of_a_pool() {
    let pool = Pool::builder(program("json")).workers(2).descriptors();
    files_travel_in_every_position(&FilesClient::new(soon(pool.spawn()).await.unwrap())).await;
}

async fn files_travel_after_a_reconnect<T: Reconnect>(transport: T) {
    let worker = Worker::builder(program("json")).transport(transport).descriptors();
    let worker = soon(worker.spawn()).await.unwrap();
    let files = FilesClient::new(worker.clone());
    for _ in 0..3 {
        files_travel_in_every_position(&files).await;
        soon(worker.disconnect()).await.unwrap();
        soon(worker.reconnect()).await.unwrap();
    }
    files_travel_in_every_position(&files).await;
}

#[tokio::test]
async fn files_travel_after_a_disconnect_and_a_reconnect() {
    files_travel_after_a_reconnect(UnixSocket).await;
}

#[tokio::test]
async fn many_calls_at_once_keep_their_own_files() {
    let files = started("postcard", Postcard, UnixSocket).await;
    let large = "x".repeat(60_000);
    for _ in 0..20 {
        let reads = (0..32).map(|number| {
            let text = if number % 4 == 0 { large.clone() } else { number.to_string() };
            let read = files.read(file(&text));
            async move { assert_eq!(read.await.unwrap(), text) }
        });
        soon(futures_util::future::join_all(reads)).await;
    }
}

#[tokio::test]
async fn a_socket_connects_worker_and_host() {
    use std::io::Read;
    let files = started("json", Json, UnixSocket).await;
    let (mut near, far) = UnixStream::pair().unwrap();
    soon(files.ignore(vec![far.into()])).await.unwrap();
    // Nobody has the other end any more.
    let mut rest = Vec::new();
    near.set_read_timeout(Some(isolated_workers_test_support::HANG_TIMEOUT)).unwrap();
    assert_eq!(near.read_to_end(&mut rest).unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sandboxed_worker_reads_a_passed_file_and_opens_none() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "a secret").unwrap();
    let worker = Worker::builder(program("json")).sandbox(Sandbox::deny_all()).descriptors();
    let files = FilesClient::new(soon(worker.spawn()).await.unwrap());
    let path = secret.path().to_str().unwrap().to_owned();
    let error = soon(files.steal(path)).await.unwrap_err();
    assert!(matches!(&error, CallError::Service(why) if why.contains("ermi")), "{error}");
    let opened = Fd::from(secret.reopen().unwrap());
    assert_eq!(soon(files.read(opened)).await.unwrap(), "a secret");
}
