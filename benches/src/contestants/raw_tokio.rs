use std::collections::HashMap;
use std::process::Child;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::raw_std;
use crate::contestant::{Contestant, PendingCall};
use crate::flavor::Flavor;

/// The baseline: a connection that a good engineer writes by hand in an afternoon. It has a
/// postcard envelope in length-delimited frames, a map of calls, and a task that writes. It has no
/// timeouts, limits, cancellation or errors.
pub struct RawTokio {
    calls: Arc<Mutex<Calls>>,
    writer: mpsc::UnboundedSender<Bytes>,
    child: Child,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Bytes>>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    tx: u64,
    #[serde(rename = "type")]
    name: &'a str,
    payload: Bytes,
}

impl Envelope<'_> {
    fn encode(&self) -> Bytes {
        postcard::to_allocvec(self).expect("postcard encodes every envelope").into()
    }
}

impl RawTokio {
    pub const CHILD: &str = "raw-tokio";
}

pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(300 << 20).new_codec()
}

impl Contestant for RawTokio {
    async fn start(flavor: Flavor) -> Self {
        let (own, childs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, flavor, childs.into());
        let (reader, writer) = on_tokio(own).into_split();
        let calls = Arc::<Mutex<Calls>>::default();
        let waiting = Arc::clone(&calls);
        tokio::spawn(async move {
            let mut frames = FramedRead::new(reader, codec());
            while let Some(Ok(frame)) = frames.next().await {
                let reply: Envelope<'_> = postcard::from_bytes(&frame).expect("a reply");
                let caller = waiting.lock().expect("no panic").waiting.remove(&reply.tx);
                let _ = caller.expect("a call of this id").send(reply.payload);
            }
        });
        Self { calls, writer: write(writer), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.call("echo", data).await
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { writer, child, .. } = self;
        drop(writer);
        wait(child).await;
    }
}

impl PendingCall for RawTokio {
    async fn pending(&self) {
        self.call("wait", Bytes::new()).await;
    }
}

impl RawTokio {
    async fn call(&self, name: &str, payload: Bytes) -> Bytes {
        let (caller, reply) = oneshot::channel();
        let tx = {
            let mut calls = self.calls.lock().expect("no panic");
            calls.last += 1;
            let tx = calls.last;
            calls.waiting.insert(tx, caller);
            tx
        };
        self.writer.send(Envelope { tx, name, payload }.encode()).expect("the task lives");
        reply.await.expect("the child answers")
    }
}

/// Waits until a child has ended. The child ends with the stream, which its host has dropped.
pub async fn wait(mut child: Child) {
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    ended.expect("no panic").expect("it ends with its stream");
}

pub fn on_tokio(stream: std::os::unix::net::UnixStream) -> UnixStream {
    stream.set_nonblocking(true).expect("a socket");
    UnixStream::from_std(stream).expect("a runtime")
}

/// Spawns the task that writes. It writes all queued frames at once.
fn write(writer: OwnedWriteHalf) -> mpsc::UnboundedSender<Bytes> {
    let (sender, mut queue) = mpsc::unbounded_channel::<Bytes>();
    tokio::spawn(async move {
        let mut frames = FramedWrite::new(writer, codec());
        while let Some(frame) = queue.recv().await {
            let mut next = Some(frame);
            while let Some(frame) = next {
                if frames.feed(frame).await.is_err() {
                    return;
                }
                next = queue.try_recv().ok();
            }
            if SinkExt::<Bytes>::flush(&mut frames).await.is_err() {
                return;
            }
        }
    });
    sender
}

pub async fn serve() {
    let (reader, writer) = on_tokio(raw_std::stream()).into_split();
    let writer = write(writer);
    let mut frames = FramedRead::new(reader, codec());
    while let Some(Ok(frame)) = frames.next().await {
        let request: Envelope<'_> = postcard::from_bytes(&frame).expect("a request");
        // Each handler is a task, because it may take long.
        let (writer, tx, payload) = (writer.clone(), request.tx, request.payload);
        match request.name {
            "echo" => tokio::spawn(async move {
                let reply = Envelope { tx, name: "", payload };
                let _ = writer.send(reply.encode());
            }),
            "wait" => tokio::spawn(std::future::pending()),
            other => panic!("unknown method {other}"),
        };
    }
}
