//! A worker in Python: calls `python_worker.py`, beside this file, with streams and callbacks.
//!
//! `cargo run --example python_worker` (needs Python 3.10 or later)

use futures_util::{Stream, TryStreamExt, stream};
use isolated_workers::prelude::*;
use isolated_workers::service::Streaming;

/// Service of the worker, with the names and arguments of the functions in Python.
#[service]
trait Model {
    async fn greet(&self, name: String) -> String;
    fn squares(&self, below: u32) -> impl Stream<Item = u32>;
    async fn mean(&self, numbers: Streaming<f64>) -> f64;
    async fn train(&self, epochs: u32) -> String;
    async fn crash(&self);
}

/// Service of the host, which the worker calls.
#[service]
trait Screen {
    async fn progress(&self, done: u32, of: u32);
}

struct Terminal;

impl Screen for Terminal {
    async fn progress(&self, done: u32, of: u32) {
        println!("epoch {done} of {of}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if cfg!(windows) {
        println!("skipped: the clients need Unix");
        return Ok(());
    }
    let is_new = ["-c", "import sys; sys.exit(sys.version_info < (3, 10))"];
    if !std::process::Command::new("python3").args(is_new).status().is_ok_and(|status| status.success()) {
        println!("skipped: there is no `python3` of version 3.10 or later in PATH");
        return Ok(());
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python_worker.py");
    let worker = Worker::builder(Program::python(script)).serve(Terminal.into_service()).spawn().await?;
    let model = ModelClient::new(worker.clone());

    println!("{}", model.greet("Ada".into()).await?);
    println!("squares: {:?}", model.squares(5).try_collect::<Vec<_>>().await?);
    println!("the mean is {}", model.mean(stream::iter([1.5, 2.5])).await?);
    let error = model.mean(stream::iter([])).await.unwrap_err();
    println!("{error}; code: {:?}", error.remote_error().and_then(|remote| remote.code.as_deref()));
    println!("{}", model.train(2).await?);
    println!("{}", model.crash().await.unwrap_err());
    Ok(())
}
