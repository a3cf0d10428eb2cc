//! Events of a worker as events of its host, in the span of the call, and spans of both sides in one
//! trace: `trace_id` and `parent_id` connect them. Works with any subscriber on the host.
//!
//! `cargo run --example tracing`

use isolated_workers::driver::Output;
use isolated_workers::layer::Trace;
use isolated_workers::prelude::*;
use tracing::Level;
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        isolated_workers::worker::init_tracing();
        // The worker's layer continues the trace that the host's layer started.
        return serve(MyCalculator.into_service()).layer(Trace).await;
    }
    let targets =
        Targets::new().with_target("isolated_workers", Level::DEBUG).with_target("tracing", Level::INFO);
    let lines = tracing_subscriber::fmt::layer().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    tracing_subscriber::registry().with(lines.without_time()).with(targets).init();
    // Takes the worker's events from its standard error. Other lines become events, too.
    let program = Program::current_exe()?.stderr(Output::Trace);
    let worker = Worker::builder(program).layer(Trace).spawn().await?;
    let calculator = CalculatorClient::new(worker.clone());
    println!("7 / 2 = {}", calculator.divide(7, 2).await.expect("no division by zero"));
    println!("1 / 0 fails: {}", calculator.divide(1, 0).await.unwrap_err());
    worker.close().await
}
