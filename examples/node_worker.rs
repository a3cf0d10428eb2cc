//! A worker in another language: `node_worker.mjs` beside this file, called like any other.
//!
//! `cargo run --example node_worker`, where there is a `node` in `PATH`

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
        println!("skipped: there is no `node` in PATH");
        return Ok(());
    }
    let worker = Worker::builder(Program::new("node").arg(script))
        // Node.js cannot listen at a socket that it inherits, and has no handshake.
        .transport(UnixSocket::bound_by_worker())
        .without_handshake()
        .spawn()
        .await?;
    let greeter = GreeterClient::new(worker.clone());

    println!("{}", greeter.greet("Ada".into()).await?);
    println!("the sum is {}", greeter.sum(vec![1.5, 2.5]).await?);
    match greeter.fail().await {
        Err(CallError::Call(error)) => {
            println!(
                "{error}; its code: {:?}",
                error.remote_error().and_then(|remote| remote.code.as_deref())
            )
        }
        other => println!("unexpected: {other:?}"),
    }
    worker.close().await
}
