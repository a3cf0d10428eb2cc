//! A worker on a thread of this process: the same service, client, codec and middleware, without the isolation. For tests,
//! and where there are no processes to start.
//!
//! `cargo run --example thread_driver`

use isolated_workers::driver::Thread;
use isolated_workers::prelude::*;

#[service]
trait Calculator {
    async fn divide(&self, a: i64, b: i64) -> i64;
    async fn process(&self) -> u32;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn divide(&self, a: i64, b: i64) -> i64 {
        a / b
    }
    async fn process(&self) -> u32 {
        std::process::id()
    }
}

/// Knows nothing of what runs the worker. Tests give it a thread, or `Local`, which is no worker at all.
async fn halves<S: Service>(calculator: &CalculatorClient<S>, numbers: &[i64]) -> Result<Vec<i64>, Error> {
    let mut halves = Vec::new();
    for number in numbers {
        halves.push(calculator.divide(*number, 2).await?);
    }
    Ok(halves)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // What would be the `main` of a program. The state of `MyCalculator` is made anew with each thread.
    let thread = Thread::new(|| async { serve(MyCalculator.into_service()).await }).name("calculator");
    let worker = Worker::builder(thread).spawn().await?;
    let calculator = CalculatorClient::new(&worker);
    println!("{:?}", halves(&calculator, &[2, 4, 6]).await?);
    println!("in this process: {}", calculator.process().await? == std::process::id());

    // A panic costs its call. An abort, a stack overflow or a loop without an end would cost this process.
    println!("{}", calculator.divide(1, 0).await.unwrap_err());
    println!("{:?}", halves(&calculator, &[8]).await?);
    // Calls in flight fail, and the thread ends at its next await. There is no `worker.pid()` to compile here.
    worker.close().await?;
    println!("{}", calculator.divide(1, 1).await.unwrap_err());
    Ok(())
}
