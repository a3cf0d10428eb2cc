//! Host and worker in one file: typed calls, concurrent calls, a handler's error, and a crash that
//! the host survives.
//!
//! `cargo run --example quickstart`

use isolated_workers::prelude::*;

/// The contract, checked on both sides: a host can call only these methods, a worker must implement
/// all of them.
#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
    async fn crash(&self);
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_div(b).ok_or("division by zero".to_owned())
    }
    async fn crash(&self) {
        std::process::abort()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(MyCalculator.into_service()).await;
    }
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    let calculator = CalculatorClient::new(worker.clone());

    println!("2 + 3 = {}", calculator.add(2, 3).await?);
    let (a, b) = tokio::try_join!(calculator.add(10, 20), calculator.add(30, 40))?;
    println!("at the same time: {a} and {b}");
    match calculator.divide(1, 0).await {
        Err(CallError::Service(why)) => println!("the handler's own error: {why}"),
        other => println!("unexpected: {other:?}"),
    }
    println!("a crash is an error: {}", calculator.crash().await.unwrap_err());
    worker.close().await
}
