//! A worker on a thread of this process, with the same service, client, codec and middleware, but
//! without isolation. Use it in tests, and on systems that cannot start processes.
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

/// Works with any service: a worker process, a thread, or `Local`, which calls the handler without
/// a worker.
async fn halves<S: Service>(calculator: &CalculatorClient<S>, numbers: &[i64]) -> Result<Vec<i64>, Error> {
    let mut halves = Vec::new();
    for number in numbers {
        halves.push(calculator.divide(*number, 2).await?);
    }
    Ok(halves)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The closure replaces the `main` of a worker program. Each thread creates its own
    // `MyCalculator`.
    let thread = Thread::new(|| async { serve(MyCalculator.into_service()).await }).name("calculator");
    let worker = Worker::builder(thread).spawn().await?;
    let calculator = CalculatorClient::new(&worker);
    println!("{:?}", halves(&calculator, &[2, 4, 6]).await?);
    println!("in this process: {}", calculator.process().await? == std::process::id());

    // A panic fails only its call. An abort or a stack overflow would end this process, and an
    // endless loop would keep the thread.
    println!("{}", calculator.divide(1, 0).await.unwrap_err());
    println!("{:?}", halves(&calculator, &[8]).await?);
    // Calls in flight fail, and the thread ends at its next await. `worker.pid()` does not compile
    // here.
    worker.close().await?;
    println!("{}", calculator.divide(1, 1).await.unwrap_err());
    Ok(())
}
