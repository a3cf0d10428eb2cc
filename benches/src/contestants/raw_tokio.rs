use std::collections::HashMap;
use std::process::Child;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{Decoder, FramedRead, LengthDelimitedCodec};

use super::raw_std;
use crate::contestant::{Contestant, Describe, PendingCall};
use crate::flavor::Flavor;
use crate::service::Record;

/// The baseline: a connection that a good engineer writes by hand in an afternoon. It has a
/// postcard envelope in length-delimited frames, a map of calls, and a task that writes. Payloads
/// are borrowed when they are decoded. The child answers in place, with one write for each read. It
/// has no timeouts, limits, cancellation or errors.
pub struct RawTokio {
    calls: Arc<Mutex<Calls>>,
    writer: mpsc::UnboundedSender<Request>,
    child: Child,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Bytes>>,
}

/// A queued call.
struct Request {
    tx: u64,
    name: &'static str,
    payload: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    tx: u64,
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(borrow)]
    payload: &'a serde_bytes::Bytes,
}

/// Number of queued frames in one write.
const BATCH: usize = 64;

/// Size of a read. Larger frames are read as a whole.
pub const READ_BYTES: usize = 64 << 10;

impl RawTokio {
    pub const CHILD: &str = "raw-tokio";
}

pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(300 << 20).new_codec()
}

/// Appends a frame: the length of the envelope in four bytes, and the envelope.
pub fn put(envelope: &impl Serialize, output: &mut Vec<u8>) {
    let start = output.len();
    output.extend([0; 4]);
    *output = postcard::to_extend(envelope, std::mem::take(output)).expect("postcard encodes every envelope");
    let length = output.len() - start - 4;
    output[start..][..4].copy_from_slice(&(length as u32).to_be_bytes());
}

impl Contestant for RawTokio {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let (reader, writer) = on_tokio(own).into_split();
        let (requests, queue) = mpsc::unbounded_channel();
        tokio::spawn(write(writer, queue));
        let calls = Arc::<Mutex<Calls>>::default();
        let waiting = Arc::clone(&calls);
        tokio::spawn(async move {
            let mut frames = FramedRead::with_capacity(reader, codec(), READ_BYTES);
            while let Some(Ok(frame)) = frames.next().await {
                let frame = frame.freeze();
                let reply: Envelope<'_> = postcard::from_bytes(&frame).expect("a reply");
                let caller = waiting.lock().expect("no panic").waiting.remove(&reply.tx);
                let _ = caller.expect("a call of this id").send(frame.slice_ref(reply.payload));
            }
        });
        Self { calls, writer: requests, child }
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

impl Describe for RawTokio {
    async fn describe(&self, record: Record) -> Record {
        let payload = postcard::to_allocvec(&record).expect("postcard encodes every record");
        postcard::from_bytes(&self.call("describe", payload.into()).await).expect("a record")
    }
}

impl PendingCall for RawTokio {
    async fn pending(&self) {
        self.call("wait", Bytes::new()).await;
    }
}

impl RawTokio {
    async fn call(&self, name: &'static str, payload: Bytes) -> Bytes {
        let (caller, reply) = oneshot::channel();
        let tx = {
            let mut calls = self.calls.lock().expect("no panic");
            calls.last += 1;
            let tx = calls.last;
            calls.waiting.insert(tx, caller);
            tx
        };
        self.writer.send(Request { tx, name, payload }).expect("the task lives");
        reply.await.expect("the child answers")
    }
}

/// Writes queued requests, up to [`BATCH`] at once.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Request>) {
    let (mut batch, mut output) = (Vec::with_capacity(BATCH), Vec::new());
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        for Request { tx, name, payload } in batch.drain(..) {
            put(&Envelope { tx, name, payload: serde_bytes::Bytes::new(&payload) }, &mut output);
        }
        if writer.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
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

pub async fn serve() {
    let (mut reader, mut writer) = on_tokio(raw_std::stream()).into_split();
    let (mut frames, mut input, mut output) = (codec(), BytesMut::new(), Vec::new());
    loop {
        input.reserve(READ_BYTES);
        if !reader.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
            return;
        }
        while let Some(frame) = frames.decode(&mut input).expect("a frame") {
            let request: Envelope<'_> = postcard::from_bytes(&frame).expect("a request");
            match request.name {
                "describe" => {
                    let record: Record = postcard::from_bytes(request.payload).expect("a record");
                    let payload = postcard::to_allocvec(&record).expect("postcard encodes every record");
                    let payload = serde_bytes::Bytes::new(&payload);
                    put(&Envelope { name: "", payload, ..request }, &mut output);
                }
                "echo" => put(&Envelope { name: "", ..request }, &mut output),
                "wait" => drop(tokio::spawn(std::future::pending::<()>())),
                other => panic!("unknown method {other}"),
            }
        }
        if writer.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}
