//! Timeouts for all calls of a worker, for one message and for a single call, and what happens to
//! a handler that exceeds them.
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
    /// Never returns. The timeout of the message overrides the worker's.
    #[message(timeout = "50ms")]
    async fn wait(&self);
    /// Never returns and never awaits. Only killing the process stops it.
    #[message(timeout = "50ms")]
    async fn block(&self);
}

struct MyOracle;

impl Oracle for MyOracle {
    async fn answer(&self) -> u32 {
        42
    }
    async fn wait(&self) {
        // Dropped when the call times out.
        std::future::pending().await
    }
    async fn block(&self) {
        loop {
            std::thread::park();
        }
    }
}

/// Sets the timeout of a single call by the name of its message. Overrides both other timeouts.
async fn timeout_by_name(mut request: Request, next: Next<'_>) -> Result<Response, Error> {
    if request.name() == "answer" {
        request.set_timeout(Some(Duration::from_secs(60)));
    }
    next.call(request).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(MyOracle.into_service()).await;
    }
    let timeouts = Timeouts::default().startup(Duration::from_secs(20)).message(Duration::from_secs(30));
    let builder = || Ok::<_, Error>(Worker::builder(Program::current_exe()?).timeouts(timeouts));

    let worker = builder()?.layer(from_fn(timeout_by_name)).spawn().await?;
    let oracle = OracleClient::new(worker.clone());
    println!("in time: {}", oracle.answer().await?);
    println!("{}", oracle.wait().await.unwrap_err());
    println!("the same worker answers: {}", oracle.answer().await?);
    worker.close().await?;

    // A worker whose handler blocks is killed and replaced.
    let worker = builder()?.on_timeout(OnTimeout::Kill).spawn().await?;
    let (oracle, first) = (OracleClient::new(worker.clone()), worker.pid());
    println!("{}", oracle.block().await.unwrap_err());
    println!("a new worker answers: {}, {}", oracle.answer().await?, worker.pid() != first);
    worker.close().await?;

    let too_long = builder()?.timeouts(timeouts.message(Duration::MAX)).spawn().await;
    println!("{}", too_long.unwrap_err());
    Ok(())
}
