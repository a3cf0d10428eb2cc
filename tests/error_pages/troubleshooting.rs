//! Errors that new users encounter, each produced by the mistake that causes it.

use std::time::Duration;

use futures_util::poll;
use isolated_workers::codec::Codec;
use isolated_workers::host::{Heartbeat, OnCrash, OnTimeout, Timeouts};
use isolated_workers::layer::RateLimit;
use isolated_workers::pool::{PoolBuilder, WhenFull};
use isolated_workers::protocol::{Request, Response, Schema};
use isolated_workers::service::{Handler, handler};
use isolated_workers::transport::{Stdio, UnixSocket};
use isolated_workers::{Error, Pool, Program, Worker, offload, serve};

use crate::errors::{SHORT_TIMEOUT, WORKER, refused, started, worker};
use crate::service::CalculatorClient;

fn as_worker(argument: &str) -> Program {
    Program::new(WORKER).arg(argument)
}

pub(crate) async fn not_executable() -> Error {
    refused(Worker::builder(Program::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")))).await
}

pub(crate) async fn not_in_path() -> Error {
    refused(Worker::builder(Program::new("calculatr"))).await
}

pub(crate) async fn never_serves() -> Error {
    refused(Worker::builder(as_worker("return"))).await
}

struct Nothing;

impl Handler for Nothing {
    const SCHEMA: Schema = Schema::new("Nothing", 1);

    async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
        Err(handler::unknown_message(&Self::SCHEMA, &request))
    }
}

/// Error of a worker program that is started by hand.
pub(crate) async fn alone() -> Error {
    serve(Nothing).await.unwrap_err()
}

/// Error of a program whose `main` does not prepare its workers.
pub(crate) async fn no_init() -> Error {
    offload::program().unwrap_err()
}

pub(crate) async fn not_a_worker() -> Error {
    Worker::builder(Program::new("echo").arg("Hello!")).transport(Stdio).spawn().await.unwrap_err()
}

pub(crate) async fn other_transport() -> Error {
    Worker::builder(as_worker("stdio")).transport(UnixSocket).spawn().await.unwrap_err()
}

pub(crate) async fn no_startup_data() -> Error {
    refused(Worker::builder(as_worker("configured"))).await
}

pub(crate) async fn startup_data_declined() -> Error {
    refused(Worker::builder(as_worker("configured")).startup_data(0)).await
}

pub(crate) async fn startup_data_of_another_type() -> Error {
    refused(Worker::builder(as_worker("configured")).startup_data("twelve")).await
}

pub(crate) async fn startup_data_unread() -> Error {
    refused(worker().without_handshake().startup_data(12)).await
}

fn pool() -> PoolBuilder {
    Pool::builder(Program::new(WORKER)).workers(1)
}

pub(crate) async fn config_pool() -> Error {
    pool().workers(0).spawn().await.unwrap_err()
}

pub(crate) async fn config_heartbeat() -> Error {
    refused(worker().heartbeat(Heartbeat::every(Duration::ZERO))).await
}

pub(crate) async fn no_frames() -> Error {
    let talks = Program::new("sh").args(["-c", "read request; echo Hello!; cat"]);
    let worker = Worker::builder(talks).transport(Stdio).without_handshake().spawn().await.unwrap();
    CalculatorClient::new(worker).add(2, 3).await.unwrap_err()
}

pub(crate) async fn hangs() -> Error {
    let heartbeat = Heartbeat::every(SHORT_TIMEOUT).timeout(Duration::from_secs(1));
    CalculatorClient::new(worker().heartbeat(heartbeat).spawn().await.unwrap()).brood().await.unwrap_err()
}

pub(crate) async fn overran() -> Error {
    let client = CalculatorClient::new(worker().on_timeout(OnTimeout::Kill).spawn().await.unwrap());
    let (slow, neighbour) = tokio::join!(client.pi_soon(), client.pi());
    slow.unwrap_err();
    neighbour.unwrap_err()
}

pub(crate) async fn stubborn() -> Error {
    let worker = worker().timeouts(Timeouts::default().close(4 * SHORT_TIMEOUT)).spawn().await.unwrap();
    let client = CalculatorClient::new(worker.clone());
    let mut brooding = Box::pin(client.brood());
    assert!(poll!(&mut brooding).is_pending());
    worker.close().await.unwrap_err()
}

pub(crate) async fn disconnected_twice() -> Error {
    let (worker, _) = started().await;
    worker.disconnect().await.unwrap();
    worker.disconnect().await.unwrap_err()
}

pub(crate) async fn never_disconnected() -> Error {
    started().await.0.reconnect().await.unwrap_err()
}

pub(crate) async fn queue_full() -> Error {
    let client = CalculatorClient::new(pool().queue(0, WhenFull::Reject).spawn().await.unwrap());
    let mut first = Box::pin(client.pi());
    assert!(poll!(&mut first).is_pending());
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn queue_too_long() -> Error {
    let client = CalculatorClient::new(pool().queue_timeout(SHORT_TIMEOUT).spawn().await.unwrap());
    let mut first = Box::pin(client.pi());
    assert!(poll!(&mut first).is_pending());
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn keeps_crashing() -> Error {
    let never = Duration::from_secs(600);
    let no_more = pool().restart_limit(0, never).on_crash(OnCrash::reject().backoff(never, never));
    let pool = no_more.spawn().await.unwrap();
    let client = CalculatorClient::new(pool.clone());
    client.exit(3).await.unwrap_err();
    let _ = pool.watch().wait_for(|stats| stats.is_broken).await.unwrap();
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn pool_closed() -> Error {
    let pool = pool().spawn().await.unwrap();
    pool.close().await.unwrap();
    CalculatorClient::new(pool).add(2, 3).await.unwrap_err()
}

pub(crate) async fn rate() -> Error {
    let limit = RateLimit::new(1, Duration::from_secs(3600)).refusing();
    let client = CalculatorClient::new(worker().layer(limit).spawn().await.unwrap());
    client.add(2, 3).await.unwrap();
    client.add(2, 3).await.unwrap_err()
}
