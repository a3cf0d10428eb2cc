//! Spans of a host and its worker in one trace, across the process boundary. Works with any
//! subscriber. This one prints each span when it closes; `trace_id` and `parent_id` connect them.
//!
//! `cargo run --example tracing`

use isolated_workers::driver::Output;
use isolated_workers::layer::Trace;
use isolated_workers::prelude::*;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[service]
trait Calculator {
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        tracing::info!(a, b, "dividing");
        a.checked_div(b).ok_or("division by zero".into())
    }
}

/// Prints the spans and events of these targets to standard output.
fn subscribe(targets: Targets) {
    let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    tracing_subscriber::registry().with(lines.without_time()).with(targets).init();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let library = Targets::new().with_target("isolated_workers", tracing::Level::DEBUG);
    if is_worker() {
        subscribe(library.with_target("tracing", tracing::Level::INFO));
        // The worker's layer continues the trace that the host's layer started.
        return serve(MyCalculator.into_service()).layer(Trace).await;
    }
    subscribe(library);
    // Each line that the worker prints becomes an event here, so one subscriber gets both sides.
    let program = Program::current_exe()?.stdout(Output::Trace);
    let worker = Worker::builder(program).layer(Trace).spawn().await?;
    let calculator = CalculatorClient::new(worker.clone());
    println!("7 / 2 = {}", calculator.divide(7, 2).await.expect("no division by zero"));
    println!("1 / 0 fails: {}", calculator.divide(1, 0).await.unwrap_err());
    worker.close().await
}
