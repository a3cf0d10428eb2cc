//! Worker that sends its `tracing` events to its host.

#[path = "../services/journal.rs"]
mod journal;

use std::io::Write;

use isolated_workers::layer::Trace;
use isolated_workers::{Error, serve};
use journal::Journal;

struct Worker;

impl Journal for Worker {
    async fn levels(&self) {
        tracing::error!("an error");
        tracing::warn!("a warning");
        tracing::info!("an information");
        tracing::debug!("a detail");
        tracing::trace!("a trace");
    }
    async fn fields(&self, number: u64, text: String) {
        let load = tracing::info_span!("load", file = "a.png", size = tracing::field::Empty);
        load.record("size", 7);
        let _load = load.entered();
        let _parse = tracing::info_span!("parse").entered();
        let (ratio, negative) = (1.5, -2);
        tracing::info!(target: "decoder", number, ?text, text2 = text, ratio, negative, infinite = f64::INFINITY, ok = true, name = "own", "decoded {number}");
    }
    async fn large(&self, bytes: usize) {
        tracing::info!(payload = "ü".repeat(bytes / 2), "large");
    }
    async fn write(&self, bytes: Vec<u8>) {
        std::io::stderr().write_all(&bytes).unwrap();
    }
    async fn wait(&self) {
        tracing::info!("waiting");
        std::future::pending().await
    }
    async fn abort(&self) {
        tracing::error!("about to abort");
        std::process::abort()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    isolated_workers::worker::init_tracing();
    serve(Worker.into_service()).layer(Trace).await
}
