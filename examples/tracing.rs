//! The spans of a host and of its worker in one tree, across the boundary of the process.
//!
//! `cargo run --example tracing`

use std::sync::{Arc, Mutex};

use isolated_workers::{Trace, prelude::*};
use serde::{Deserialize, Serialize};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
    /// What the worker has recorded.
    async fn spans(&self) -> Vec<Span>;
}

struct MyCalculator(Spans);

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_div(b).ok_or("division by zero".into())
    }
    async fn spans(&self) -> Vec<Span> {
        self.0.0.lock().unwrap().clone()
    }
}

/// A span as `Trace` describes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Span {
    number: u64,
    pid: u32,
    name: String,
    message: String,
    trace_id: String,
    span_id: String,
    parent_id: String,
}

/// A subscriber's layer that records them. An exporter would send them away: see the example `opentelemetry`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let name = attributes.metadata().name().to_owned();
        let mut span = Span { number: id.into_u64(), pid: std::process::id(), name, ..Span::default() };
        attributes.record(&mut span);
        self.0.lock().unwrap().push(span);
    }
    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        values.record(spans.iter_mut().rfind(|span| span.number == id.into_u64()).unwrap());
    }
}

impl tracing::field::Visit for Span {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}").trim_matches('"').to_owned();
        match field.name() {
            "message" => self.message = value,
            "trace_id" => self.trace_id = value,
            "span_id" => self.span_id = value,
            "parent_id" => self.parent_id = value,
            _ => {}
        }
    }
}

/// Prints the children of a span, and theirs.
fn print(spans: &[Span], parent: &str, depth: usize) {
    for span in spans.iter().filter(|span| span.parent_id == parent) {
        let Span { name, message, pid, trace_id, .. } = span;
        println!("{:indent$}{name} {message} in process {pid}, trace {trace_id}", "", indent = depth * 4);
        print(spans, &span.span_id, depth + 1);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let spans = Spans::default();
    tracing_subscriber::registry().with(spans.clone()).init();
    if is_worker() {
        return serve(MyCalculator(spans).into_service()).layer(Trace).await;
    }
    let worker = Worker::builder(Program::current_exe()?).layer(Trace).spawn().await?;
    let calculator = CalculatorClient::new(worker.clone());
    let sum = calculator.add(2, 3).await?;
    println!("2 + 3 = {sum}, and 1 / 0: {}", calculator.divide(1, 0).await.unwrap_err());

    let there = calculator.spans().await?;
    let here = spans.0.lock().unwrap().clone();
    let both: Vec<Span> = here.into_iter().chain(there).filter(|span| span.message != "spans").collect();
    print(&both, "", 0);
    worker.close().await
}
