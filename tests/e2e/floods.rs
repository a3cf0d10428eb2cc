//! Peers that send more than the other side can handle. Memory stays bounded on both sides.

use std::process::{Command, Stdio};

use futures_util::poll;
use isolated_workers::codec::Codec;
use isolated_workers::protocol::{Request, Response, Schema};
use isolated_workers::service::Handler;
use isolated_workers::service::handler::unknown_message;
use isolated_workers::testing::conformance::alone;
use isolated_workers::transport::{
    self, Bound, CHANNEL_VARIABLE, Inheritance, NamedPipe, SocketPair, Transport, UnixSocket,
};
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::process::{PidFd, peak_resident_kib, peak_resident_kib_of, resident_kib};
use isolated_workers_test_support::{assert_error, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::flood_frames::{UNANSWERED, frames};
use super::*;

/// Kinds of frames that need an answer each.
const ANSWERED: [&str; 3] = ["requests", "long-names", "long-ids"];

/// Memory that a flood may take in KiB: the queues, and buffers for reading and writing.
const MAX_GROWTH_KIB: usize = 24 << 10;

/// Size in bytes of a flood that a worker must bear.
const FLOOD_BYTES: usize = 6 << 20;

/// Size in bytes of a flood of which a worker must not read all.
const MAX_WRITTEN_BYTES: usize = 64 << 20;

/// Time after which a worker counts as one that has stopped reading. It would read far more than
/// its bounds in this time.
const STALL: Duration = Duration::from_secs(1);

/// Calls a worker that writes frames of this kind and never reads. Returns the result of the call,
/// and asserts that this process has not grown by more than the bound.
fn flooded_by<T: Transport>(transport: T, kind: &str) -> Result<(), isolated_workers::Error> {
    runtime().block_on(async {
        let before = resident_kib();
        let program = Program::new(WORKER).arg("flood").arg(kind);
        let builder = Worker::builder(program).transport(transport).without_handshake();
        let worker = soon(builder.spawn()).await.unwrap();
        let result = soon(FaultsClient::new(worker.clone()).wait()).await;
        let growth = peak_resident_kib().saturating_sub(before);
        assert!(growth <= MAX_GROWTH_KIB, "{kind}: {growth} KiB");
        worker.kill();
        result
    })
}

/// Runs in its own process, because it measures the memory of the whole process.
fn a_worker_that_never_reads_takes_bounded_memory_of_its_host<T: Transport>(transport: T) {
    // The worker answers the call after its flood.
    for kind in UNANSWERED {
        flooded_by(transport.clone(), kind).unwrap();
    }
    for kind in ANSWERED {
        let error = flooded_by(transport.clone(), kind).unwrap_err();
        assert_error(&error, ErrorKind::Crashed, &["4194304 bytes of answers unread"]);
    }
}

/// Handler of a host. `wait` never ends.
struct Waiting;

impl Handler for Waiting {
    const SCHEMA: Schema = Schema::new("Waiting", 1);

    async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
        match request.name() {
            "wait" => std::future::pending().await,
            _ => Err(unknown_message(&Self::SCHEMA, &request)),
        }
    }
}

/// Runs in its own process, because it measures the memory of the whole process.
fn a_worker_that_makes_more_callbacks_than_its_host_takes_is_ended<T: Transport>(transport: T) {
    for (kind, cause) in [
        ("requests", "are not answered yet"),
        ("long-names", "are not answered yet"),
        ("waits", "are not answered yet"),
        ("oneway-waits", "that count 1048576 bytes are not finished yet"),
    ] {
        runtime().block_on(async {
            let before = resident_kib();
            let program = Program::new(WORKER).args(["flood", kind, "greets"]);
            let builder = Worker::builder(program).transport(transport.clone()).serve(Waiting);
            let worker = soon(builder.spawn()).await.unwrap();
            let error = soon(FaultsClient::new(worker.clone()).wait()).await.unwrap_err();
            assert_error(&error, ErrorKind::Crashed, &[cause]);
            let growth = peak_resident_kib().saturating_sub(before);
            assert!(growth <= MAX_GROWTH_KIB, "{kind}: {growth} KiB");
        });
    }
}

/// Floods a worker with frames of this kind, and never reads. Asserts that the worker has not grown
/// by more than the bound, and ends when its host is gone.
async fn floods<T: Transport>(transport: T, kind: &str) {
    let mut bound = transport.bind().unwrap();
    let Inheritance { address, stdin, stdout, .. } = bound.inheritance();
    let mut worker = Command::new(WORKER)
        .env(CHANNEL_VARIABLE, format!("{}:{address}", T::NAME))
        .stdin(stdin.unwrap_or(Stdio::null()))
        .stdout(stdout.unwrap_or(Stdio::null()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut channel = soon(bound.establish()).await.unwrap();
    let hello = r#"{"isolated-workers":1,"codec":"json","transport":"TRANSPORT","pid":1,"build":"test"}"#;
    let hello = hello.replace("TRANSPORT", T::NAME);
    channel.writer.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
    while soon(channel.reader.read_u8()).await.unwrap() != b'\n' {}
    let before = peak_resident_kib_of(worker.id());
    let mut batches = 0..;
    let mut written = 0;
    // Without end if each frame needs an answer, until the worker stops reading.
    while ANSWERED.contains(&kind) || written < FLOOD_BYTES {
        let frames = frames(kind, batches.next().unwrap());
        written += frames.len();
        match timeout(STALL, channel.writer.write_all(frames.as_bytes())).await {
            Ok(result) => result.unwrap(),
            Err(_) => break,
        }
        assert!(written < MAX_WRITTEN_BYTES, "{kind} on {}: the worker reads without end", T::NAME);
    }
    let growth = peak_resident_kib_of(worker.id()) - before;
    assert!(growth <= MAX_GROWTH_KIB, "{kind} on {}: {growth} KiB", T::NAME);
    assert!(written >= FLOOD_BYTES || ANSWERED.contains(&kind), "{kind} on {}: {written} bytes", T::NAME);
    drop(channel);
    let process = PidFd::open(worker.id());
    let has_ended = tokio::task::spawn_blocking(move || process.ends_within(HANG_TIMEOUT)).await.unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(has_ended, "{kind} on {}: the worker is left", T::NAME);
}

fn a_host_that_never_reads_takes_bounded_memory_of_its_worker<T: Transport>(transport: T) {
    runtime().block_on(async {
        for kind in UNANSWERED.into_iter().chain(ANSWERED) {
            floods(transport.clone(), kind).await;
        }
    });
}

macro_rules! transports {
    ($($name:ident: $transport:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_worker_that_never_reads_takes_bounded_memory_of_its_host() {
                let test = concat!(module_path!(), "::a_worker_that_never_reads_takes_bounded_memory_of_its_host");
                alone(test, || super::a_worker_that_never_reads_takes_bounded_memory_of_its_host($transport));
            }

            #[test]
            fn a_worker_that_makes_more_callbacks_than_its_host_takes_is_ended() {
                let test =
                    concat!(module_path!(), "::a_worker_that_makes_more_callbacks_than_its_host_takes_is_ended");
                alone(test, || super::a_worker_that_makes_more_callbacks_than_its_host_takes_is_ended($transport));
            }

            #[test]
            fn a_host_that_never_reads_takes_bounded_memory_of_its_worker() {
                super::a_host_that_never_reads_takes_bounded_memory_of_its_worker($transport);
            }
        }
    )*};
}

transports! {
    unix_socket: UnixSocket;
    socket_pair: SocketPair;
    stdio: transport::Stdio;
    named_pipe: NamedPipe;
}

/// A worker that floods its host would have to know the startup variable of the Node.js library.
#[test]
fn a_host_that_never_reads_takes_bounded_memory_of_a_worker_that_binds_its_socket() {
    a_host_that_never_reads_takes_bounded_memory_of_its_worker(UnixSocket::bound_by_worker());
}

#[tokio::test]
async fn slow_oneway_messages_take_bounded_memory_of_their_worker() {
    const MESSAGES: u32 = 30_000;
    let (worker, client) = started().await;
    client.count().await.unwrap();
    let before = peak_resident_kib_of(worker.pid());
    let text = "x".repeat(1000);
    for _ in 0..MESSAGES {
        soon(client.count_slowly(text.clone())).await.unwrap();
    }
    // `count` counts its own calls, too.
    let mut calls = 2;
    while soon(client.count()).await.unwrap() != MESSAGES + calls {
        calls += 1;
    }
    let growth = peak_resident_kib_of(worker.pid()) - before;
    assert!(growth <= MAX_GROWTH_KIB, "{growth} KiB");
    worker.close().await.unwrap();
}

#[tokio::test]
async fn calls_cancelled_at_once_take_bounded_memory_of_their_worker() {
    let (worker, client) = started().await;
    client.count().await.unwrap();
    let before = peak_resident_kib_of(worker.pid());
    for _ in 0..150 {
        let mut calls: Vec<_> = (0..200).map(|_| Box::pin(client.wait())).collect();
        for call in &mut calls {
            assert!(poll!(call).is_pending());
        }
        yield_now().await;
    }
    until_waiting(&client, 0).await;
    let growth = peak_resident_kib_of(worker.pid()) - before;
    assert!(growth <= MAX_GROWTH_KIB, "{growth} KiB");
    worker.close().await.unwrap();
}
