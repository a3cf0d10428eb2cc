//! Ways to call an offloaded function.

use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::{Local, Router};
use isolated_workers::{CallError, offload};
use isolated_workers_test_library::numbers::{double, pid};

#[offload]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[offload]
async fn divide(a: u64, b: u64) -> Result<u64, String> {
    tokio::task::yield_now().await;
    a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
}

#[isolated_workers::test]
async fn a_call_runs_in_another_process() -> Result<(), Error> {
    assert_eq!(pid(), std::process::id());
    assert_ne!(pid::run().await?, std::process::id());
    assert_eq!((add(2, 3), add::run(2, 3).await?), (5, 5));
    Ok(())
}

#[isolated_workers::test]
async fn a_function_of_a_library_is_found() -> Result<(), Error> {
    assert_eq!(double::run(21).await?, 42);
    Ok(())
}

#[isolated_workers::test]
async fn an_async_function_has_its_own_error() {
    assert_eq!(divide(7, 2).await, Ok(3));
    assert_eq!(divide::run(7, 2).await.unwrap(), 3);
    let error = divide::run(1, 0).await.expect_err("its error");
    assert!(matches!(&error, CallError::Service(text) if text == "division by zero"), "{error}");
}

#[test]
fn a_program_without_a_runtime_calls_by_blocking() {
    assert_eq!(add::blocking(2, 3).unwrap(), 5);
    assert_ne!(pid::blocking().unwrap(), std::process::id());
}

#[isolated_workers::test]
async fn a_thread_of_a_runtime_may_block() {
    assert_eq!(add::blocking(2, 3).unwrap(), 5);
}

#[isolated_workers::test]
async fn all_default_calls_have_one_pool() -> Result<(), Error> {
    let pool = offload::pool().await?;
    for called in [pid::run().await?, pid::blocking()?, pid::on(&pool).await?] {
        assert!(pool.stats().workers.iter().any(|worker| worker.pid == Some(called)), "{:?}", pool.stats());
    }
    Ok(())
}

#[isolated_workers::test]
async fn a_pool_and_a_worker_with_other_settings_are_called() -> Result<(), Error> {
    let pool = Pool::builder(offload::program()?).workers(1).spawn().await?;
    assert_eq!(pid::on(&pool).await?, pid::on(&pool).await?);
    let worker = Worker::builder(offload::program()?).spawn().await?;
    assert_eq!(pid::on(&worker).await?, worker.pid());
    assert_eq!(divide::on(&worker, 8, 2).await.unwrap(), 4);
    pool.drain().await?;
    worker.close().await
}

#[isolated_workers::test]
async fn a_pool_maps_items() -> Result<(), Error> {
    let pool = offload::pool().await?;
    let mut doubled = pool.map(0..100, double::task);
    for n in 0..100 {
        assert_eq!(doubled.next().await.unwrap()?, 2 * n);
    }
    let mut sums = pool.map((0..100).map(|n| (n, n)), add::task);
    for n in 0..100 {
        assert_eq!(sums.next().await.unwrap()?, 2 * n);
    }
    let mut pids = pool.map([(), ()], pid::task);
    assert_ne!(pids.next().await.unwrap()?, std::process::id());
    Ok(())
}

#[service]
trait Greeter {
    async fn greet(&self, name: String) -> String;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, name: String) -> String {
        format!("Good evening, {name}.")
    }
}

#[isolated_workers::test(serve = Router::new().add(Polite.into_service()).add(offload::Functions))]
async fn a_worker_serves_functions_beside_a_service(worker: Worker) -> Result<(), Error> {
    assert_eq!(GreeterClient::new(&worker).greet("Ada".to_owned()).await?, "Good evening, Ada.");
    assert_eq!(pid::on(&worker).await?, worker.pid());
    // The default pool has workers of its own.
    assert_ne!(pid::run().await?, worker.pid());
    Ok(())
}

#[isolated_workers::test]
async fn a_test_may_call_without_a_process() -> Result<(), Error> {
    let local = Local::new(offload::Functions, Json);
    assert_eq!(pid::on(&local).await?, std::process::id());
    Ok(())
}
