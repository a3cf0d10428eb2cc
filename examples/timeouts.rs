//! How long things may take: a limit for the worker's calls, one for a message, one for a single call, and what becomes of a
//! handler whose time is over.
//!
//! `cargo run --example timeouts`

use std::time::Duration;

use isolated_workers::host::{OnTimeout, Timeouts};
use isolated_workers::layer::{Next, from_fn};
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};

#[service]
trait Oracle {
    async fn answer(&self) -> u32;
    /// Never ends. The limit of the message goes before that of the worker.
    #[message(timeout = "50ms")]
    async fn ponder(&self);
    /// Never ends, and never awaits: only the end of its process stops it.
    #[message(timeout = "50ms")]
    async fn brood(&self);
}

struct Deep;

impl Oracle for Deep {
    async fn answer(&self) -> u32 {
        42
    }
    async fn ponder(&self) {
        // Dropped when the caller has given up: it does not go on for nobody.
        std::future::pending().await
    }
    async fn brood(&self) {
        loop {
            std::thread::park();
        }
    }
}

/// The limit of a single call, by whatever the request tells: it goes before both.
async fn patient(mut request: Request, next: Next<'_>) -> Result<Response, Error> {
    if request.name() == "answer" {
        request.set_timeout(Some(Duration::from_secs(60)));
    }
    next.call(request).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(Deep.into_service()).await;
    }
    let timeouts = Timeouts::default().startup(Duration::from_secs(20)).message(Duration::from_secs(30));
    let builder = || Ok::<_, Error>(Worker::builder(Program::current_exe()?).timeouts(timeouts));

    let worker = builder()?.layer(from_fn(patient)).spawn().await?;
    let oracle = OracleClient::new(worker.clone());
    println!("in time: {}", oracle.answer().await?);
    println!("{}", oracle.ponder().await.unwrap_err());
    println!("the same worker goes on: {}", oracle.answer().await?);
    worker.close().await?;

    // The worker of a handler that blocks is killed, and another one takes its place.
    let worker = builder()?.on_timeout(OnTimeout::Kill).spawn().await?;
    let (oracle, first) = (OracleClient::new(worker.clone()), worker.pid());
    println!("{}", oracle.brood().await.unwrap_err());
    println!("another worker answers: {}, {}", oracle.answer().await?, worker.pid() != first);
    worker.close().await?;

    let absurd = builder()?.timeouts(timeouts.message(Duration::MAX)).spawn().await;
    println!("{}", absurd.unwrap_err());
    Ok(())
}
