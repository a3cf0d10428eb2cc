//! Peers that send more than the other side can handle. Memory stays bounded on both sides.

use futures_util::poll;
use isolated_workers::ErrorKind;
use isolated_workers::testing::conformance::alone;
use isolated_workers::transport::{SocketPair, Stdio, Transport};
use isolated_workers_test_support::process::{peak_resident_kib, peak_resident_kib_of, resident_kib};
use isolated_workers_test_support::{assert_error, runtime};
use tokio::task::yield_now;

use super::*;

/// Memory that a flood may take in KiB: the queues, and buffers for reading and writing.
const MAX_GROWTH_KIB: usize = 24 << 10;

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
    // These frames need no answer, or one for all. The worker answers the call after its flood.
    for kind in ["pings", "answers", "cancels"] {
        flooded_by(transport.clone(), kind).unwrap();
    }
    for kind in ["requests", "long-names", "long-ids"] {
        let error = flooded_by(transport.clone(), kind).unwrap_err();
        assert_error(&error, ErrorKind::Crashed, &["4194304 bytes of answers unread"]);
    }
}

#[test]
fn a_worker_that_never_reads_a_socket_takes_bounded_memory_of_its_host() {
    alone(
        concat!(module_path!(), "::a_worker_that_never_reads_a_socket_takes_bounded_memory_of_its_host"),
        || {
            a_worker_that_never_reads_takes_bounded_memory_of_its_host(SocketPair);
        },
    );
}

#[test]
fn a_worker_that_never_reads_a_pipe_takes_bounded_memory_of_its_host() {
    alone(
        concat!(module_path!(), "::a_worker_that_never_reads_a_pipe_takes_bounded_memory_of_its_host"),
        || {
            a_worker_that_never_reads_takes_bounded_memory_of_its_host(Stdio);
        },
    );
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
