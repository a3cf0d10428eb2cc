//! A worker in another language: calls `node_worker.mjs`, beside this file, like any other worker.
//!
//! `cargo run --example node_worker` (needs `node` in `PATH`)

use isolated_workers::CallError;
use isolated_workers::prelude::*;
use isolated_workers::transport::UnixSocket;

#[service]
trait Greeter {
    async fn greet(&self, name: String) -> String;
    async fn sum(&self, numbers: Vec<f64>) -> f64;
    async fn fail(&self) -> Result<(), String>;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/node_worker.mjs");
    if std::process::Command::new("node").arg("--version").output().is_err() {
        println!("skipped: could not find `node` in PATH");
        return Ok(());
    }
    let worker = Worker::builder(Program::new("node").arg(script))
        // Node.js cannot listen on an inherited socket, and the script has no handshake.
        .transport(UnixSocket::bound_by_worker())
        .without_handshake()
        .spawn()
        .await?;
    let greeter = GreeterClient::new(worker.clone());

    println!("{}", greeter.greet("Ada".into()).await?);
    println!("the sum is {}", greeter.sum(vec![1.5, 2.5]).await?);
    match greeter.fail().await {
        Err(CallError::Call(error)) => {
            println!("{error}; code: {:?}", error.remote_error().and_then(|remote| remote.code.as_deref()))
        }
        other => println!("unexpected: {other:?}"),
    }
    worker.close().await
}
