//! Exports the spans of a host and its worker to OpenTelemetry, as one trace. This example prints
//! them to standard output. Use another exporter to send them to a collector.
//!
//! `cargo run -p open_telemetry`

use std::collections::HashMap;

use isolated_workers::layer::{Propagator, Trace};
use isolated_workers::prelude::*;
use isolated_workers::protocol::Metadata;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        tracing::info!(a, b, "adding");
        a + b
    }
}

/// Propagates the OpenTelemetry context instead of the one that `Trace` generates.
struct OpenTelemetry(TraceContextPropagator);

impl Propagator for OpenTelemetry {
    fn inject(&self, span: &tracing::Span, metadata: &mut Metadata) {
        let mut carrier = HashMap::new();
        self.0.inject_context(&span.context(), &mut carrier);
        for (key, value) in carrier {
            metadata.insert(key, value);
        }
    }

    fn extract(&self, span: &tracing::Span, metadata: &Metadata) {
        let carrier: HashMap<_, _> =
            metadata.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        if let Err(error) = span.set_parent(self.0.extract(&carrier)) {
            tracing::warn!(%error, "could not set the parent of this span");
        }
    }
}

fn export(service: &'static str) -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(service));
    let targets = Targets::new()
        .with_targets([("isolated_workers", tracing::Level::DEBUG), ("opentelemetry", tracing::Level::INFO)]);
    tracing_subscriber::registry().with(targets).with(layer).init();
    provider
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let trace = Trace::with(OpenTelemetry(TraceContextPropagator::new()));
    if is_worker() {
        let provider = export("worker");
        let served = serve(MyCalculator.into_service()).layer(trace).await;
        provider.shutdown().expect("the worker's spans are exported");
        return served;
    }
    let provider = export("host");
    let worker = Worker::builder(Program::current_exe()?).layer(trace).spawn().await?;
    println!("2 + 3 = {}", CalculatorClient::new(worker.clone()).add(2, 3).await?);
    worker.close().await?;
    provider.shutdown().expect("the host's spans are exported");
    Ok(())
}
