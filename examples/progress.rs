//! A worker that calls its host while it answers a call: it reports progress, and asks whether to
//! go on. Then the host drops the call, and a host that serves nothing gets an error.
//!
//! `cargo run --example progress`

use std::sync::atomic::{AtomicU32, Ordering};

use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::Context;
use tokio::sync::Notify;

/// Service of the host.
#[service]
trait Progress {
    /// Shows how much is done. Returns `false` if the worker should stop.
    async fn step(&self, done: u32, of: u32) -> bool;
}

/// Service of the worker.
#[service]
trait Press {
    /// Prints pages until all are printed or the host has enough. Returns the number of pages.
    async fn print(&self, context: Context, pages: u32) -> Result<u32, PrintError>;
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct PrintError(String);

impl std::fmt::Display for PrintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the press lost its host: {}", self.0)
    }
}

impl std::error::Error for PrintError {}

impl From<Error> for PrintError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

struct MyPress;

impl Press for MyPress {
    async fn print(&self, context: Context, pages: u32) -> Result<u32, PrintError> {
        let progress = ProgressClient::new(context.host::<Json>()?);
        for page in 1..=pages {
            if !progress.step(page, pages).await? {
                return Ok(page);
            }
        }
        Ok(pages)
    }
}

/// Screen of the host, which has enough after a number of pages.
struct Screen {
    enough: u32,
    shown: AtomicU32,
    /// Notified when a page was shown.
    changed: Notify,
}

impl Progress for &'static Screen {
    async fn step(&self, done: u32, of: u32) -> bool {
        println!("{done} of {of}");
        self.shown.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        done < self.enough
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(MyPress.into_service()).await;
    }
    let screen = |enough| &*Box::leak(Box::new(Screen { enough, shown: 0.into(), changed: Notify::new() }));
    let program = || Program::current_exe();

    let worker = Worker::builder(program()?).serve(screen(3).into_service()).spawn().await?;
    let press = PressClient::new(worker.clone());
    println!("all pages: {}", press.print(2).await?);
    println!("enough pages: {}", press.print(100).await?);
    worker.close().await?;

    // Dropping a call cancels its callbacks, too.
    let endless = screen(u32::MAX);
    let worker = Worker::builder(program()?).serve(endless.into_service()).spawn().await?;
    let press = PressClient::new(worker.clone());
    tokio::select! {
        pages = press.print(u32::MAX) => println!("printed {} pages", pages?),
        () = endless.changed.notified() => println!("dropped the call"),
    }
    worker.close().await?;
    println!("pages were shown: {}", endless.shown.load(Ordering::Relaxed) > 0);

    let worker = Worker::builder(program()?).spawn().await?;
    println!("{}", PressClient::new(worker.clone()).print(1).await.unwrap_err());
    worker.close().await
}
