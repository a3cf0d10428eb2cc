//! A worker that outlives its host: one process starts and detaches it, another attaches to it. The
//! worker keeps its state.
//!
//! `cargo run --example detached`

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use isolated_workers::driver::{Attach, Output};
use isolated_workers::host::Address;
use isolated_workers::prelude::*;

#[service]
trait Counter {
    async fn count(&self) -> u64;
}

#[derive(Default)]
struct Tally(AtomicU64);

impl Counter for Tally {
    async fn count(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The first host: starts a worker, detaches it, and prints its address.
///
/// The address is a secret. Any process of the same user that has it can call the worker.
async fn first_host() -> Result<(), Box<dyn std::error::Error>> {
    let program = Program::current_exe()?.stdout(Output::Discard);
    // Fails: by default the worker's stderr goes through the host, which is about to end.
    let refused = Worker::builder(program.clone()).spawn().await?.detach().await.unwrap_err();
    eprintln!("refused: {refused}");

    let worker = Worker::builder(program.stderr(Output::Discard)).spawn().await?;
    eprintln!("the first host counts to {}", CounterClient::new(worker.clone()).count().await?);
    let address = worker.detach().await?;
    println!("{}", serde_json::to_string(&address)?);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Tally::default().into_service()).await?);
    }
    if std::env::args().nth(1).as_deref() == Some("first-host") {
        return first_host().await;
    }
    let first = Command::new(std::env::current_exe()?).arg("first-host").output()?;
    print!("{}", String::from_utf8_lossy(&first.stderr));
    println!("the first host exited successfully: {}", first.status.success());
    let address: Address = serde_json::from_slice(&first.stdout)?;

    let worker = Worker::builder(Attach::new(address.clone())).spawn().await?;
    println!("the second host counts to {}", CounterClient::new(worker.clone()).count().await?);
    // The worker now belongs to this host: it would end with the host, or could be detached again.
    worker.close().await?;
    println!("the worker is gone: {}", Worker::builder(Attach::new(address)).spawn().await.unwrap_err());
    Ok(())
}
