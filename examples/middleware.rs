//! Layers around a worker, on both sides: what they let through, what they refuse, and who is named for it.
//!
//! `cargo run --example middleware`

use std::time::Duration;

use isolated_workers::layer::{Auth, ConcurrencyLimit, Next, Retry, Timeout, Validate, from_fn};
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response};
use isolated_workers::service::Context;

#[service]
trait Printer {
    async fn print(&self, context: Context, text: String, copies: u32) -> String;
    async fn jam(&self);
}

struct Office;

impl Printer for Office {
    async fn print(&self, context: Context, text: String, copies: u32) -> String {
        let tenant = context.metadata().get("tenant").unwrap_or("nobody");
        format!("{copies} x {text:?} for {tenant}, at attempt {}", context.attempt())
    }
    async fn jam(&self) {
        std::future::pending().await
    }
}

/// A middleware of one's own: an async function of a request and what comes next.
async fn tenant(mut request: Request, next: Next<'_>) -> Result<Response, Error> {
    request.metadata_mut().insert("tenant", "acme");
    next.call(request).await
}

/// The first attempt of each call finds the printer busy.
async fn busy(request: Request, next: Next<'_>) -> Result<Response, Error> {
    match request.attempt() {
        1 => Err(Error::new(ErrorKind::Overloaded, "the printer is busy")),
        _ => next.call(request).await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let auth = Auth::new("what both have agreed on");
    if is_worker() {
        // As on the host: the first one added sees a request first.
        let few = Validate::new(|print: &printer::Print| match print.copies {
            1..=100 => Ok(()),
            copies => Err(format!("{copies} copies are too many")),
        });
        return serve(Office.into_service()).layer(auth).layer(few).layer(ConcurrencyLimit::new(8)).await;
    }
    let worker = || Worker::builder(Program::current_exe().expect("this program"));
    let layered = worker()
        .layer(from_fn(tenant))
        .layer(Retry::new(3))
        // From here on, for each attempt.
        .layer(from_fn(busy))
        .layer(Timeout::new(Duration::from_millis(200)))
        .layer(auth);
    let printer = PrinterClient::new(layered.spawn().await?);
    println!("{}", printer.print("hello".into(), 2).await?);
    println!("refused: {}", printer.print("hello".into(), 5000).await.unwrap_err());
    println!("given up: {}", printer.jam().await.unwrap_err());

    let stranger = PrinterClient::new(worker().spawn().await?);
    let denied = stranger.print("hello".into(), 1).await.unwrap_err();
    println!("{:?}: {denied}", denied.kind());
    Ok(())
}
