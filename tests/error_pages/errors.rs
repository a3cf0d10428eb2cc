//! Errors of every kind, each produced as a user would encounter it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::poll;
use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::driver::Thread;
use isolated_workers::error::Never;
use isolated_workers::host::{Builder, OnCrash, Timeouts};
use isolated_workers::layer::{LoadShed, Validate, tower_layer};
use isolated_workers::protocol::{Connection, Frame, Limits, Name, Request, Response, Schema, TxId};
use isolated_workers::sandbox::Sandbox;
use isolated_workers::service::{Handler, ReplyStream, client};
use isolated_workers::{CallError, Error, Message, Pool, Program, Service, ServiceExt, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tower::timeout::TimeoutLayer;

use crate::service::{CalculatorClient, calculator};

pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_calculator");

/// Timeout for calls that must fail.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(50);

pub(crate) fn worker() -> Builder {
    Worker::builder(Program::new(WORKER))
}

pub(crate) async fn started() -> (Worker, CalculatorClient<Worker>) {
    let worker = worker().spawn().await.unwrap();
    (worker.clone(), CalculatorClient::new(worker))
}

pub(crate) async fn refused<D: isolated_workers::driver::Driver>(
    builder: Builder<D, Json, D::Transport>,
) -> Error {
    builder.spawn().await.unwrap_err()
}

fn request(name: &'static str, payload: &str) -> Request {
    Request::new(Name::from_static(name), payload.as_bytes().to_vec().into())
}

pub(crate) async fn config_limit() -> Error {
    refused(worker().limits(Limits::default().frame(10))).await
}

pub(crate) async fn config_timeout() -> Error {
    refused(worker().timeouts(Timeouts::default().message(Duration::MAX))).await
}

pub(crate) async fn config_detach() -> Error {
    started().await.0.detach().await.unwrap_err()
}

pub(crate) async fn spawn_program() -> Error {
    refused(Worker::builder(Program::new("./calculatr"))).await
}

pub(crate) async fn spawn_folder() -> Error {
    refused(Worker::builder(Program::new(WORKER).current_dir("/srv/no-such-folder"))).await
}

pub(crate) async fn startup_exit() -> Error {
    refused(Worker::builder(Program::new(WORKER).arg("exit"))).await
}

pub(crate) async fn startup_silent() -> Error {
    let program = Program::new(WORKER).arg("sleep");
    refused(Worker::builder(program).timeouts(Timeouts::default().startup(4 * SHORT_TIMEOUT))).await
}

pub(crate) async fn sandbox_processes() -> Error {
    refused(worker().sandbox(Sandbox::deny_all().processes(2))).await
}

pub(crate) async fn sandbox_thread() -> Error {
    let thread = Thread::new(async || Ok(()));
    Worker::builder(thread).sandbox(Sandbox::crash_only()).spawn().await.unwrap_err()
}

pub(crate) async fn handshake_codec() -> Error {
    worker().codec(Postcard).spawn().await.unwrap_err()
}

pub(crate) async fn handshake_service() -> Error {
    refused(worker().service(Schema::new("Calculator", 1))).await
}

pub(crate) async fn handshake_missing() -> Error {
    refused(worker().service(calculator::SCHEMA).service(Schema::new("Journal", 1))).await
}

pub(crate) async fn closed_in_flight() -> Error {
    let (worker, client) = started().await;
    let mut call = Box::pin(client.pi());
    assert!(poll!(&mut call).is_pending());
    worker.close().await.unwrap();
    call.await.unwrap_err()
}

pub(crate) async fn closed_before() -> Error {
    let (worker, client) = started().await;
    worker.close().await.unwrap();
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn closed_disconnected() -> Error {
    let (worker, client) = started().await;
    worker.disconnect().await.unwrap();
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn crashed() -> Error {
    started().await.1.exit(3).await.unwrap_err()
}

pub(crate) async fn crashed_each_time() -> Error {
    started().await.1.halt().await.unwrap_err()
}

pub(crate) async fn timeout() -> Error {
    started().await.1.pi_soon().await.unwrap_err()
}

pub(crate) async fn timeout_starting() -> Error {
    let never = Duration::from_secs(600);
    let worker = worker().on_crash(OnCrash::respawn().backoff(never, never)).spawn().await.unwrap();
    let client = CalculatorClient::new(worker);
    client.exit(3).await.unwrap_err();
    client.pi_soon().await.unwrap_err()
}

/// Error of a cancelled call. Two state machines produce it, because the caller of a cancelled call
/// is gone.
pub(crate) async fn cancelled() -> Error {
    let (mut host, mut worker) = (Connection::<()>::new(), Connection::<()>::new());
    let id = TxId::from(1);
    host.call(id.clone(), request("pi", ""), None, ()).unwrap();
    worker.handle_frame(host.poll_transmit().unwrap()).unwrap();
    host.cancel(&id, Instant::now()).unwrap();
    worker.handle_frame(host.poll_transmit().unwrap()).unwrap();
    worker.answer(&id, Ok(Response::default()));
    match worker.poll_transmit().unwrap() {
        Frame::Error { error, .. } => Error::remote("pi", *error),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn remote() -> Error {
    started().await.0.call(request("divide", r#"{"a":1,"b":0}"#)).await.unwrap_err()
}

pub(crate) async fn panicked() -> Error {
    started().await.1.root(-1).await.unwrap_err()
}

pub(crate) async fn unknown_message() -> Error {
    started().await.0.call(request("cube", "{}")).await.unwrap_err()
}

pub(crate) async fn unknown_service() -> Error {
    let mut request = request("last", "{}");
    request.set_service("Journal");
    started().await.0.call(request).await.unwrap_err()
}

pub(crate) async fn encode() -> Error {
    started().await.1.table().await.unwrap_err()
}

pub(crate) async fn decode_message() -> Error {
    started().await.0.call(request("add", r#"{"a":2}"#)).await.unwrap_err()
}

/// `Add` as defined in a host that was built from another definition.
#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

impl Message for Add {
    const NAME: &'static str = calculator::Add::NAME;
    type Reply = String;
    type Error = Never;
}

pub(crate) async fn decode_reply() -> Error {
    match started().await.0.send(Add { a: 2, b: 3 }).await.unwrap_err() {
        CallError::Call(error) => error,
        CallError::Service(never) => match never {},
    }
}

pub(crate) async fn too_large_to_send() -> Error {
    let worker = worker().limits(Limits::default().frame(1 << 10)).spawn().await.unwrap();
    CalculatorClient::new(worker).sum(vec![7; 1 << 10]).await.unwrap_err()
}

pub(crate) async fn too_large_to_decode() -> Error {
    let worker = Worker::builder(Program::new(WORKER).arg("frugal")).spawn().await.unwrap();
    CalculatorClient::new(worker).sum(vec![7; 1 << 10]).await.unwrap_err()
}

/// Error that a worker's `serve` returns.
pub(crate) async fn protocol() -> Error {
    let mut worker = Connection::<()>::new();
    let request =
        Frame::request(7.into(), Name::from_static("pi"), Vec::new().into(), Default::default(), false, None);
    worker.handle_frame(request.clone()).unwrap();
    worker.handle_frame(request).unwrap_err()
}

pub(crate) async fn duplicate_id() -> Error {
    let worker = worker().ids(|| TxId::from(7)).spawn().await.unwrap();
    let client = CalculatorClient::new(worker);
    let mut first = Box::pin(client.pi());
    assert!(poll!(&mut first).is_pending());
    client.add(2, 3).await.unwrap_err()
}

pub(crate) async fn overloaded() -> Error {
    let client = CalculatorClient::new(worker().layer(LoadShed::new(1)).spawn().await.unwrap());
    let mut first = Box::pin(client.pi());
    assert!(poll!(&mut first).is_pending());
    client.add(2, 3).await.unwrap_err()
}

/// Host that lets the same pool add numbers, and passes on the error.
struct Delegating {
    pool: Arc<OnceLock<CalculatorClient<Pool>>>,
    refused: mpsc::Sender<Error>,
}

impl Handler for Delegating {
    const SCHEMA: Schema = Schema::new("Calculator", 1);

    async fn handle<C: Codec>(&self, _: &C, _: Request) -> Result<Response, Error> {
        let pool = self.pool.get().expect("the pool exists before its first call");
        let error = pool.add(2, 3).await.unwrap_err();
        let _ = self.refused.send(error.clone()).await;
        Err(error)
    }
}

pub(crate) async fn would_deadlock() -> Error {
    let (refused, mut error) = mpsc::channel(1);
    let handler = Delegating { pool: Arc::default(), refused };
    let started = Arc::clone(&handler.pool);
    let pool = Pool::builder(Program::new(WORKER)).workers(1).serve(handler).spawn().await.unwrap();
    let client = CalculatorClient::new(pool);
    let _ = started.set(client.clone());
    client.delegate().await.unwrap();
    error.recv().await.unwrap()
}

/// Message that is answered with a stream.
#[derive(Serialize, Deserialize)]
struct Search;

impl Message for Search {
    const NAME: &'static str = "search";
    type Reply = ();
    type Error = Never;
}

impl ReplyStream for Search {
    type Item = String;
}

pub(crate) async fn unsupported() -> Error {
    let worker = worker().without_handshake().spawn().await.unwrap();
    let mut hits = client::stream::<_, _, Error>(&worker, Search);
    hits.next().await.unwrap().unwrap_err()
}

pub(crate) async fn denied() -> Error {
    let worker = Worker::builder(Program::new(WORKER).arg("auth")).spawn().await.unwrap();
    CalculatorClient::new(worker).add(2, 3).await.unwrap_err()
}

pub(crate) async fn invalid() -> Error {
    let small =
        |sum: &calculator::Sum| if sum.numbers.len() < 3 { Ok(()) } else { Err("three are too many") };
    let client = CalculatorClient::new(worker().layer(Validate::new(small)).spawn().await.unwrap());
    client.sum(vec![1, 2, 3]).await.unwrap_err()
}

pub(crate) async fn nameless() -> Error {
    worker().spawn().await.unwrap().call(request("", "")).await.unwrap_err()
}

pub(crate) async fn middleware() -> Error {
    let limit = tower_layer(TimeoutLayer::new(SHORT_TIMEOUT));
    CalculatorClient::new(worker().layer(limit).spawn().await.unwrap()).pi().await.unwrap_err()
}
