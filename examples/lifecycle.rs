//! Lifecycle of a worker: its status, disconnect and reconnect, and three ways to shut it down.
//!
//! `cargo run --example lifecycle`

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isolated_workers::prelude::*;

#[service]
trait Counter {
    async fn count(&self) -> u64;
    /// Takes 100 ms.
    async fn bake(&self) -> String;
}

#[derive(Default)]
struct Tally(AtomicU64);

impl Counter for Tally {
    async fn count(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
    async fn bake(&self) -> String {
        tokio::time::sleep(Duration::from_millis(100)).await;
        "a cake".to_owned()
    }
}

async fn start() -> Result<(Worker, CounterClient<Worker>), Error> {
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    Ok((worker.clone(), CounterClient::new(worker)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(Tally::default().into_service()).await;
    }
    let (worker, counter) = start().await?;
    // A watch channel: `status.wait_for(..)` waits for a certain status.
    let status = worker.status();
    println!("{:?}: count {}", *status.borrow(), counter.count().await?);

    worker.disconnect().await?;
    println!("{:?}: {}", *status.borrow(), counter.count().await.unwrap_err());
    worker.reconnect().await?;
    println!("{:?}: count {}, so the state was kept", *status.borrow(), counter.count().await?);

    // `drain` lets the calls in flight finish.
    let (cake, drained) = tokio::join!(counter.bake(), worker.drain());
    drained?;
    println!("{:?}: drained, `bake` returned {}", *status.borrow(), cake?);
    println!("{:?}: {}", *status.borrow(), counter.count().await.unwrap_err());

    // `close` does not wait for them: they fail.
    let (worker, counter) = start().await?;
    let (cake, closed) = tokio::join!(counter.bake(), worker.close());
    closed?;
    println!("{}", cake.unwrap_err());
    println!("the worker {}", worker.closed().await);

    // `kill` ends the process at once. Dropping the last handle closes the worker in the
    // background.
    let (worker, counter) = start().await?;
    worker.kill();
    println!("the worker {}; active: {}", worker.closed().await, worker.is_active());
    println!("{}", counter.count().await.unwrap_err());
    Ok(())
}
