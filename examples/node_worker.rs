//! A worker in Node.js: calls `node_worker.mjs`, beside this file, with streams and callbacks.
//!
//! `cargo run --example node_worker` (needs Node.js 18.14 or later, and the client: `npm install &&
//! npm run build` in `clients/node`)

use futures_util::{Stream, TryStreamExt, stream};
use isolated_workers::prelude::*;
use isolated_workers::service::Streaming;

/// Service of the worker, with the names and arguments of the functions in JavaScript.
#[service]
trait Renderer {
    async fn greet(&self, name: String) -> String;
    fn squares(&self, below: u32) -> impl Stream<Item = u32>;
    async fn mean(&self, numbers: Streaming<f64>) -> f64;
    async fn render(&self, pages: u32) -> String;
}

/// Service of the host, which the worker calls.
#[service]
trait Screen {
    async fn progress(&self, done: u32, of: u32);
}

struct Terminal;

impl Screen for Terminal {
    async fn progress(&self, done: u32, of: u32) {
        println!("page {done} of {of}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if cfg!(windows) {
        println!("skipped: the clients need Unix");
        return Ok(());
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    if std::process::Command::new("node").arg("--version").output().is_err() {
        println!("skipped: there is no `node` in PATH");
        return Ok(());
    }
    if !folder.join("clients/node/dist/index.js").exists() {
        println!("skipped: the client is not built; run `npm install && npm run build` in clients/node");
        return Ok(());
    }
    let program = Program::node(folder.join("examples/node_worker.mjs"));
    let worker = Worker::builder(program).serve(Terminal.into_service()).spawn().await?;
    let renderer = RendererClient::new(worker.clone());

    println!("{}", renderer.greet("Ada".into()).await?);
    println!("squares: {:?}", renderer.squares(5).try_collect::<Vec<_>>().await?);
    println!("the mean is {}", renderer.mean(stream::iter([1.5, 2.5])).await?);
    let error = renderer.mean(stream::iter([])).await.unwrap_err();
    println!("{error}; code: {:?}", error.remote_error().and_then(|remote| remote.code.as_deref()));
    println!("{}", renderer.render(2).await?);
    worker.close().await
}
