//! A worker that is a binary of its own, next to the host's.
//!
//! ```text
//! cargo build --example calculator_worker
//! cargo run --example calculator_host
//! ```

mod api;

use api::{CalculatorClient, calculator};
use isolated_workers::prelude::*;

/// The worker is installed where the host is.
fn worker() -> std::io::Result<std::path::PathBuf> {
    let name = format!("calculator_worker{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = Program::new(worker()?);
    // Host and worker are built one by one, so make sure that they know the same messages.
    let worker = match Worker::builder(program).service(calculator::SCHEMA).spawn().await {
        Err(error) if matches!(error.kind(), ErrorKind::Spawn | ErrorKind::Handshake) => {
            eprintln!("{error}\nto build it: cargo build --example calculator_worker");
            std::process::exit(1);
        }
        spawned => spawned?,
    };
    let calculator = CalculatorClient::new(&worker);
    println!("2 + 3 = {}, computed by {}", calculator.add(2, 3).await?, worker.pid());
    println!("a crash is an error: {}", calculator.crash().await.unwrap_err());
    worker.close().await?;
    Ok(())
}
