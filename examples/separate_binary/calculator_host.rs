//! A worker in a separate binary, in the same folder as the host's.
//!
//! ```text
//! cargo build --example calculator_worker
//! cargo run --example calculator_host
//! ```

mod api;

use api::{CalculatorClient, calculator};
use isolated_workers::prelude::*;

/// Path of the worker, which is installed beside the host.
fn worker_path() -> std::io::Result<std::path::PathBuf> {
    let name = format!("calculator_worker{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = Program::new(worker_path()?);
    // Host and worker are built separately. Fails if they were built with different messages.
    let worker = match Worker::builder(program).service(calculator::SCHEMA).spawn().await {
        Err(error) if matches!(error.kind(), ErrorKind::Spawn | ErrorKind::Handshake) => {
            eprintln!("{error}\nto build the worker: cargo build --example calculator_worker");
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
