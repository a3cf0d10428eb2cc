//! Layers on the host and on the worker, which change, retry and reject requests. Errors name the
//! layer.
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
        format!("{copies} x {text:?} for {tenant}, attempt {}", context.attempt())
    }
    async fn jam(&self) {
        std::future::pending().await
    }
}

/// A custom middleware: an async function of the request and the next layer.
async fn set_tenant(mut request: Request, next: Next<'_>) -> Result<Response, Error> {
    request.metadata_mut().insert("tenant", "acme");
    next.call(request).await
}

/// Fails the first attempt of each call.
async fn busy_at_first(request: Request, next: Next<'_>) -> Result<Response, Error> {
    match request.attempt() {
        1 => Err(Error::new(ErrorKind::Overloaded, "the printer is busy")),
        _ => next.call(request).await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let auth = Auth::new("a shared token");
    if is_worker() {
        // As on the host, the first layer added sees a request first.
        let max_copies = Validate::new(|print: &printer::Print| match print.copies {
            1..=100 => Ok(()),
            copies => Err(format!("{copies} copies exceed the limit of 100")),
        });
        return serve(Office.into_service())
            .layer(auth)
            .layer(max_copies)
            .layer(ConcurrencyLimit::new(8))
            .await;
    }
    let worker = || Worker::builder(Program::current_exe().expect("path of this program"));
    let layered = worker()
        .layer(from_fn(set_tenant))
        .layer(Retry::new(3))
        // The layers below run for each attempt.
        .layer(from_fn(busy_at_first))
        .layer(Timeout::new(Duration::from_millis(200)))
        .layer(auth);
    let printer = PrinterClient::new(layered.spawn().await?);
    println!("{}", printer.print("hello".into(), 2).await?);
    println!("rejected: {}", printer.print("hello".into(), 5000).await.unwrap_err());
    println!("timed out: {}", printer.jam().await.unwrap_err());

    let unauthorized = PrinterClient::new(worker().spawn().await?);
    let denied = unauthorized.print("hello".into(), 1).await.unwrap_err();
    println!("{:?}: {denied}", denied.kind());
    Ok(())
}
