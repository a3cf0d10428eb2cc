//! Workers in Python and Node.js over each transport that they can use.

use isolated_workers::codec::Json;
use isolated_workers::transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket};
use isolated_workers::{Program, Worker};
use isolated_workers_test_support::soon;

use super::interpreters::Language;
use super::service::PeerClient;

/// Calls a worker that prints, and closes it.
async fn works<T: Transport>(program: Program, transport: T, has_handshake: bool) {
    let builder = Worker::builder(program).transport(transport).codec(Json);
    let builder = if has_handshake { builder } else { builder.without_handshake() };
    let worker = soon(builder.spawn()).await.unwrap();
    let client = PeerClient::new(worker.clone());
    soon(client.nothing()).await.unwrap();
    assert_eq!(soon(client.echo("ü".repeat(1 << 18))).await.unwrap().len(), 1 << 19);
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, isolated_workers::error::ExitReason::Exited(0));
}

async fn every_transport_works(language: Language) {
    let Some(program) = language.worker() else { return };
    let folder = tempfile::tempdir().unwrap();
    works(program.clone(), UnixSocket, true).await;
    works(program.clone(), UnixSocket::at(folder.path().join("socket")), true).await;
    works(program.clone(), SocketPair, true).await;
    works(program.clone(), Stdio, true).await;
    works(program.clone(), NamedPipe, true).await;
    works(program.clone(), UnixSocket::bound_by_worker(), true).await;
    works(program, UnixSocket::bound_by_worker(), false).await;
}

#[tokio::test]
async fn a_worker_in_python_works_over_every_transport() {
    every_transport_works(Language::Python).await;
}

#[tokio::test]
async fn a_worker_in_node_works_over_every_transport() {
    every_transport_works(Language::Node).await;
}
