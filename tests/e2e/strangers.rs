//! Processes of the same user that connect to a worker and are not its host.

use std::io;
use std::path::{Path, PathBuf};

use isolated_workers::driver::Attach;
use isolated_workers::host::Address;
use isolated_workers::transport::{
    Bound, Channel, Inheritance, SocketReader, SocketWriter, Transport, UnixSocket, WorkerSocket,
    WorkerSocketBound,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::reconnect::detached;
use super::*;

/// Path of the socket in an address.
fn socket(address: &Address) -> PathBuf {
    let value = serde_json::to_value(address).unwrap();
    let place = value["place"].as_str().unwrap();
    place[place.find('/').unwrap()..].into()
}

/// Connects to a socket and sends the text, as a process of the same user can. The worker closes
/// the connection when the returned value is dropped or the text shows that the peer is no host.
async fn stranger(socket: &Path, text: &str) -> UnixStream {
    let mut stream = soon(UnixStream::connect(socket)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

const HALF_A_HELLO: &str = "{\"isolated-workers\":1,";

/// Each would keep the host waiting for 30 s, if they were heard one after the other.
#[tokio::test]
async fn strangers_that_send_half_a_hello_do_not_keep_the_host_waiting() {
    let (process, address) = detached().await;
    let path = socket(&address);
    let mut strangers = Vec::new();
    for text in ["", HALF_A_HELLO].repeat(20) {
        strangers.push(stranger(&path, text).await);
    }
    for count in 2..4 {
        let worker = soon(Worker::builder(Attach::new(address.clone())).spawn()).await.unwrap();
        let client = FaultsClient::new(worker.clone());
        assert_eq!(soon(client.count()).await.unwrap(), count);
        strangers.push(stranger(&path, HALF_A_HELLO).await);
        soon(worker.disconnect()).await.unwrap();
        strangers.push(stranger(&path, HALF_A_HELLO).await);
        soon(worker.reconnect()).await.unwrap();
        soon(worker.detach()).await.unwrap();
    }
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn only_sixty_four_connections_without_a_hello_are_kept() {
    let (_, address) = detached().await;
    let path = socket(&address);
    let mut oldest = stranger(&path, HALF_A_HELLO).await;
    let mut newer = Vec::new();
    for _ in 0..63 {
        newer.push(stranger(&path, HALF_A_HELLO).await);
    }
    let mut byte = [0];
    assert!(futures_util::poll!(Box::pin(oldest.read(&mut byte))).is_pending());
    newer.push(stranger(&path, HALF_A_HELLO).await);
    assert_eq!(soon(oldest.read(&mut byte)).await.unwrap_or(0), 0, "it is closed");
    assert!(futures_util::poll!(Box::pin(newer[0].read(&mut byte))).is_pending());
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    soon(worker.close()).await.unwrap();
}

/// The worker does not accept all at once, because each has time for its hello.
#[tokio::test]
async fn many_strangers_at_once_do_not_push_the_host_out() {
    let (_, address) = detached().await;
    let path = socket(&address);
    let mut strangers = Vec::new();
    for _ in 0..300 {
        // The backlog may be full.
        strangers.push(std::os::unix::net::UnixStream::connect(&path).unwrap());
    }
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 2);
    soon(worker.close()).await.unwrap();
}

/// A stranger that connects to the socket of a worker before its host does.
#[derive(Clone)]
struct AfterStranger(WorkerSocket);

struct BoundAfterStranger {
    bound: WorkerSocketBound,
    path: PathBuf,
}

impl Transport for AfterStranger {
    const NAME: &'static str = WorkerSocket::NAME;
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = BoundAfterStranger;

    fn bind(&self) -> io::Result<BoundAfterStranger> {
        Ok(BoundAfterStranger { bound: self.0.bind()?, path: PathBuf::new() })
    }

    fn is_inherited(&self, address: &str) -> bool {
        self.0.is_inherited(address)
    }

    async fn attach(&self, address: &str) -> io::Result<Channel<SocketReader, SocketWriter>> {
        self.0.attach(address).await
    }
}

impl Bound for BoundAfterStranger {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = self.bound.inheritance();
        self.path = WorkerSocket::path_of(&inheritance.address).into();
        inheritance
    }

    async fn establish(self) -> io::Result<Channel<SocketReader, SocketWriter>> {
        let mut stranger = loop {
            match UnixStream::connect(&self.path).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        stranger.write_all(HALF_A_HELLO.as_bytes()).await?;
        // It stays connected for as long as this process runs.
        std::mem::forget(stranger.into_std()?);
        self.bound.establish().await
    }
}

#[tokio::test]
async fn a_stranger_that_connects_before_the_host_does_not_take_its_place() {
    let transport = AfterStranger(UnixSocket::bound_by_worker());
    let worker = soon(worker().transport(transport).spawn()).await.unwrap();
    assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 1);
    soon(worker.close()).await.unwrap();
}
