//! Arguments and options of the attribute.

use isolated_workers::blocking;
use isolated_workers::codec::Postcard;
use isolated_workers::host::Link;
use isolated_workers::layer::Middleware;
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};
use isolated_workers::transport::Stdio;

use crate::probe::{MyProbe, Probe, ProbeBlockingClient, ProbeClient, probe};

#[isolated_workers::test]
async fn a_test_without_a_worker_only_awaits() {
    tokio::task::yield_now().await;
}

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn a_worker_is_ready_and_another_process(worker: Worker) -> Result<(), Error> {
    let probe = ProbeClient::new(&worker);
    assert_eq!(probe.pid().await?, worker.pid());
    assert_ne!(probe.pid().await?, std::process::id());
    worker.close().await
}

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn a_program_starts_several_workers_with_settings(program: Program) -> Result<(), Error> {
    let spawn = || Worker::builder(program.clone()).service(probe::SCHEMA).spawn();
    let (one, other) = (spawn().await?, spawn().await?);
    assert_ne!(ProbeClient::new(&one).pid().await?, ProbeClient::new(&other).pid().await?);
    Ok(())
}

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn a_pool_is_ready(pool: Pool) -> Result<(), Error> {
    assert_ne!(ProbeClient::new(&pool).pid().await?, std::process::id());
    pool.drain().await
}

#[isolated_workers::test(serve = MyProbe.into_service(), codec = Postcard)]
async fn both_sides_have_the_codec(worker: Worker<Link<Postcard>>) -> Result<(), Error> {
    assert_eq!(ProbeClient::new(&worker).pid().await?, worker.pid());
    Ok(())
}

/// Refuses each call.
struct Deny;

impl Middleware for Deny {
    async fn handle<S: Service>(&self, _: Request, _: &S) -> Result<Response, Error> {
        Err(Error::new(ErrorKind::Denied, "denied by the worker"))
    }
}

#[isolated_workers::test(serve = serve(MyProbe.into_service()).layer(Deny))]
async fn a_handler_may_have_options(worker: Worker) {
    let error = ProbeClient::new(&worker).pid().await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[isolated_workers::test(serve = serve_with(async |is_valid: bool| match is_valid {
    true => Ok(MyProbe.into_service()),
    false => Err("as asked"),
}))]
async fn a_handler_may_need_startup_data(program: Program) {
    let spawn = |is_valid: bool| Worker::builder(program.clone()).startup_data(is_valid).spawn();
    spawn(true).await.expect("a worker");
    let error = spawn(false).await.expect_err("no worker");
    assert!(error.to_string().ends_with("could not create the service: as asked"), "{error}");
}

#[isolated_workers::test(serve = std::future::ready(MyProbe).await.into_service())]
async fn the_handler_may_be_awaited(worker: Worker) {
    ProbeClient::new(&worker).pid().await.expect("an answer");
}

#[isolated_workers::test(serve = MyProbe.into_service())]
async fn the_output_of_the_harness_is_not_on_the_connection(program: Program) -> Result<(), Error> {
    let worker = Worker::builder(program).transport(Stdio).spawn().await?;
    let probe = ProbeClient::new(&worker);
    probe.print("printed".to_owned()).await?;
    assert_eq!(probe.pid().await?, worker.pid());
    Ok(())
}

#[isolated_workers::test]
fn a_plain_test_without_a_worker_has_no_runtime() {
    assert!(tokio::runtime::Handle::try_current().is_err());
}

#[isolated_workers::test(serve = MyProbe.into_service(), codec = Postcard)]
fn a_plain_test_has_a_blocking_worker(worker: blocking::Worker<Link<Postcard>>) -> Result<(), Error> {
    assert!(tokio::runtime::Handle::try_current().is_err());
    let pid = ProbeBlockingClient::new(&worker).pid()?;
    assert_eq!(pid, worker.pid());
    assert_ne!(pid, std::process::id());
    worker.close()
}

#[isolated_workers::test(serve = serve(MyProbe.into_service()).layer(Deny))]
fn a_plain_test_has_a_blocking_pool(pool: blocking::Pool) {
    let error = ProbeBlockingClient::new(&pool).pid().expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[isolated_workers::test(serve = MyProbe.into_service())]
fn a_plain_test_starts_a_program(program: Program) -> Result<(), Error> {
    let worker = blocking::Worker::spawn(Worker::builder(program).service(probe::SCHEMA))?;
    assert_eq!(ProbeBlockingClient::new(&worker).pid()?, worker.pid());
    Ok(())
}
