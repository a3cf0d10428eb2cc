//! A worker that outlives its host: one process starts it and ends, another one goes on with it, its state as it was.
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

/// The first host. What it writes is a secret: whoever has it, and is the same user, can call the worker.
async fn leave() -> Result<(), Box<dyn std::error::Error>> {
    let program = Program::current_exe()?.stdout(Output::Discard);
    // What a worker prints cannot go through a host that is gone.
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
    if std::env::args().nth(1).as_deref() == Some("leave") {
        return leave().await;
    }
    let first = Command::new(std::env::current_exe()?).arg("leave").output()?;
    print!("{}", String::from_utf8_lossy(&first.stderr));
    println!("the first host has ended: {}", first.status.success());
    let address: Address = serde_json::from_slice(&first.stdout)?;

    let worker = Worker::builder(Attach::new(address.clone())).spawn().await?;
    println!("the second host counts to {}", CounterClient::new(worker.clone()).count().await?);
    // It is this host's now: it would end with it, and it can be detached again.
    worker.close().await?;
    println!("nobody is there: {}", Worker::builder(Attach::new(address)).spawn().await.unwrap_err());
    Ok(())
}
