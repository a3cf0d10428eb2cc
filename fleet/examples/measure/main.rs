//! Measurements of a fleet on loopback. Start it on a quiet machine:
//!
//! ```sh
//! cargo run --release --example measure              # calls, beside async-nats' own
//! cargo run --release --example measure -- machines 100 300 1000
//! ```

#[path = "../../support/server.rs"]
mod server;

mod calls;
mod machines;
mod process;

use isolated_workers::prelude::*;

/// Service of the measured machines.
#[service]
trait Load {
    #[message(idempotent)]
    async fn echo(&self, number: u64) -> u64;
    /// Computes for some microseconds.
    #[message(idempotent)]
    async fn compute(&self, microseconds: u64) -> u64;
    /// Waits for some milliseconds.
    #[message(idempotent)]
    async fn wait(&self, milliseconds: u64) -> u64;
}

#[derive(Clone)]
struct Worker;

impl Load for Worker {
    async fn echo(&self, number: u64) -> u64 {
        number
    }

    async fn compute(&self, microseconds: u64) -> u64 {
        let end = std::time::Instant::now() + std::time::Duration::from_micros(microseconds);
        let mut rounds = 0;
        while std::time::Instant::now() < end {
            rounds += 1;
        }
        rounds
    }

    async fn wait(&self, milliseconds: u64) -> u64 {
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
        milliseconds
    }
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if is_worker() {
        return Ok(serve(Worker.into_service()).await?);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => calls::measure().await,
        ["machine", kind, url] => process::run(kind, url).await,
        ["machines", ..] => {
            let counts: Result<Vec<usize>, _> = arguments[1..].iter().map(|count| count.parse()).collect();
            machines::measure(&counts?).await
        }
        _ => Err("usage: measure [machines <count>...]".into()),
    }
}
