use std::collections::HashMap;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio_util::codec::FramedRead;

use super::raw_std;
use super::raw_tokio::{self, READ_BYTES, codec, put};
use crate::contestant::{Contestant, Streams};
use crate::flavor::Flavor;
use crate::items::Items;

/// The baseline of streams: raw-tokio with an `mpsc` channel for the answers to each call. Both
/// sides may call. A full channel stops the connection: the streams have no flow control of their
/// own.
pub struct RawTokioStreams {
    connection: Connection,
    child: Child,
}

/// Number of frames or items that wait in a channel, and of frames in one write.
const BATCH: usize = 64;

/// Size after which a write is not delayed for further frames.
const WRITE_BYTES: usize = 64 << 10;

/// A queued frame.
struct Frame {
    tx: u64,
    kind: Kind,
    payload: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    tx: u64,
    kind: Kind,
    #[serde(borrow)]
    payload: &'a serde_bytes::Bytes,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Echo,
    Receive(Items),
    Send,
    CallBack(u32),
    /// An item, or the answer of a call without items.
    Item,
    End,
}

/// One side of the connection. The host's calls have odd ids, and the child's have even ones.
#[derive(Clone)]
struct Connection {
    frames: mpsc::Sender<Frame>,
    last: Arc<AtomicU64>,
    incoming: Arc<Mutex<HashMap<u64, mpsc::Sender<Bytes>>>>,
}

impl Connection {
    /// Returns a side of the connection, and the task that reads it. Another task writes.
    fn new(stream: UnixStream, first: u64) -> (Self, impl Future<Output = ()> + Send) {
        let (reader, writer) = stream.into_split();
        let (frames, queue) = mpsc::channel(BATCH);
        tokio::spawn(write(writer, queue));
        let connection = Self { frames, last: Arc::new(AtomicU64::new(first)), incoming: Arc::default() };
        let reading = connection.clone();
        let read = async move {
            let mut frames = FramedRead::with_capacity(reader, codec(), READ_BYTES);
            while let Some(Ok(frame)) = frames.next().await {
                reading.take(frame.freeze()).await;
            }
        };
        (connection, read)
    }

    async fn put(&self, tx: u64, kind: Kind, payload: Bytes) {
        assert!(self.frames.send(Frame { tx, kind, payload }).await.is_ok(), "the task lives");
    }

    async fn take(&self, frame: Bytes) {
        let Envelope { tx, kind, payload } = postcard::from_bytes(&frame).expect("an envelope");
        match kind {
            Kind::Echo => self.put(tx, Kind::Item, frame.slice_ref(payload)).await,
            Kind::Item => {
                let receiver = self.incoming.lock().expect("no panic").get(&tx).cloned();
                let _ = receiver.expect("a call of this id").send(frame.slice_ref(payload)).await;
            }
            Kind::End => drop(self.incoming.lock().expect("no panic").remove(&tx)),
            Kind::Receive(items) => {
                let connection = self.clone();
                tokio::spawn(async move { connection.put_items(tx, items).await });
            }
            Kind::Send => {
                // Before the next frame, which may be an item.
                let items = self.incoming(tx);
                tokio::spawn(self.clone().count(tx, items));
            }
            Kind::CallBack(calls) => drop(tokio::spawn(self.clone().call_back(tx, calls))),
        }
    }

    async fn count(self, tx: u64, mut items: mpsc::Receiver<Bytes>) {
        let mut count: u32 = 0;
        while items.recv().await.is_some() {
            count += 1;
        }
        self.put(tx, Kind::Item, Bytes::copy_from_slice(&count.to_be_bytes())).await;
    }

    async fn call_back(self, tx: u64, calls: u32) {
        for _ in 0..calls {
            self.echo(Bytes::from_static(&[7; 64])).await;
        }
        self.put(tx, Kind::Item, Bytes::new()).await;
    }

    async fn put_items(&self, tx: u64, items: Items) {
        for item in items.iter() {
            self.put(tx, Kind::Item, item).await;
        }
        self.put(tx, Kind::End, Bytes::new()).await;
    }

    /// Makes the channel for the items or the answer of a call.
    fn incoming(&self, tx: u64) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(BATCH);
        self.incoming.lock().expect("no panic").insert(tx, sender);
        receiver
    }

    /// Makes a call. Returns its id and the channel of its answers.
    async fn call(&self, kind: Kind, payload: Bytes) -> (u64, mpsc::Receiver<Bytes>) {
        let tx = self.last.fetch_add(2, Ordering::Relaxed);
        let answers = self.incoming(tx);
        self.put(tx, kind, payload).await;
        (tx, answers)
    }

    /// Waits for the answer of a call without items.
    async fn only_answer(&self, tx: u64, mut answers: mpsc::Receiver<Bytes>) -> Bytes {
        let answer = answers.recv().await.expect("the other side answers");
        self.incoming.lock().expect("no panic").remove(&tx);
        answer
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let (tx, answers) = self.call(Kind::Echo, data).await;
        self.only_answer(tx, answers).await
    }
}

impl RawTokioStreams {
    pub const CHILD: &str = "raw-tokio-streams";
}

impl Contestant for RawTokioStreams {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let (connection, read) = Connection::new(raw_tokio::on_tokio(own), 1);
        tokio::spawn(read);
        Self { connection, child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.connection.echo(data).await
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { connection, mut child } = self;
        drop(connection);
        // The task that reads keeps the stream open.
        child.kill().expect("a child");
        raw_tokio::wait(child).await;
    }
}

impl Streams for RawTokioStreams {
    async fn receive(&self, items: Items) -> Instant {
        let (_, mut received) = self.connection.call(Kind::Receive(items), Bytes::new()).await;
        items.take_all(async || received.recv().await.is_some()).await
    }

    async fn send(&self, items: Items) {
        let (tx, answers) = self.connection.call(Kind::Send, Bytes::new()).await;
        self.connection.put_items(tx, items).await;
        let count = self.connection.only_answer(tx, answers).await;
        items.assert_all(u32::from_be_bytes(count[..].try_into().expect("four bytes")));
    }

    async fn call_back(&self, calls: u32) {
        let (tx, answers) = self.connection.call(Kind::CallBack(calls), Bytes::new()).await;
        self.connection.only_answer(tx, answers).await;
    }
}

/// Writes queued frames, up to [`BATCH`] at once.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Frame>) {
    let (mut batch, mut output) = (Vec::with_capacity(BATCH), Vec::new());
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let last = batch.len() - 1;
        for (at, Frame { tx, kind, payload }) in batch.drain(..).enumerate() {
            put(&Envelope { tx, kind, payload: serde_bytes::Bytes::new(&payload) }, &mut output);
            if at < last && output.len() < WRITE_BYTES {
                continue;
            }
            if writer.write_all(&output).await.is_err() {
                return;
            }
            output.clear();
        }
    }
}

pub async fn serve() {
    let (_connection, read) = Connection::new(raw_tokio::on_tokio(raw_std::stream()), 2);
    read.await;
}
