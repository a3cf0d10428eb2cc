//! The spans of a host and of its worker in one trace, across the boundary of the process. Any subscriber will do: this one
//! writes each span when it is over, and `trace_id` and `parent_id` tell what belongs together.
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

/// Spans and events of these targets, as lines of standard output.
fn subscribe(targets: Targets) {
    let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    tracing_subscriber::registry().with(lines.without_time()).with(targets).init();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ours = Targets::new().with_target("isolated_workers", tracing::Level::DEBUG);
    if is_worker() {
        subscribe(ours.with_target("tracing", tracing::Level::INFO));
        // The layer of the worker takes up the trace that the layer of the host has begun.
        return serve(MyCalculator.into_service()).layer(Trace).await;
    }
    subscribe(ours);
    // Each line that the worker prints is an event here, so that one subscriber gets both sides.
    let program = Program::current_exe()?.stdout(Output::Trace);
    let worker = Worker::builder(program).layer(Trace).spawn().await?;
    let calculator = CalculatorClient::new(worker.clone());
    println!("7 / 2 = {}", calculator.divide(7, 2).await.expect("two is not zero"));
    println!("1 / 0 fails: {}", calculator.divide(1, 0).await.unwrap_err());
    worker.close().await
}
