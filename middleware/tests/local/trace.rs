//! Spans and the ids that connect them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use isolated_workers_core::{Error, Metadata, Request, Response};
use isolated_workers_middleware::{
    Next, Propagator, Service, ServiceExt, Trace, TraceContext, from_fn, on_request,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::{Add, Panic, local};

type Fields = BTreeMap<String, String>;

/// Records the fields of each span and the text of each event.
#[derive(Clone, Default)]
struct Recorder {
    spans: Arc<Mutex<BTreeMap<u64, Fields>>>,
    events: Arc<Mutex<Vec<String>>>,
}

struct Visitor<'a>(&'a mut Fields);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut fields = Fields::from([("name".into(), attributes.metadata().name().into())]);
        attributes.record(&mut Visitor(&mut fields));
        self.spans.lock().unwrap().insert(id.into_u64(), fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut Visitor(self.spans.lock().unwrap().get_mut(&id.into_u64()).unwrap()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Visitor(&mut fields));
        self.events.lock().unwrap().push(format!("{} {}", event.metadata().level(), fields["message"]));
    }
}

impl Recorder {
    fn spans(&self) -> Vec<Fields> {
        self.spans.lock().unwrap().values().cloned().collect()
    }
}

fn recorder() -> (Recorder, tracing::subscriber::DefaultGuard) {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone());
    (recorder, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_call_starts_a_new_trace() {
    let (recorder, _guard) = recorder();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = local()
        .wrapped_by(on_request(move |request: &mut Request| {
            sender.send(request.metadata().get("traceparent").map(str::to_owned)).unwrap();
            Ok(())
        }))
        .wrapped_by(Trace);
    service.send(Add { a: 1, b: 1 }).await.unwrap();
    service.send(Panic).await.unwrap_err();

    let [add, panic] = &recorder.spans()[..] else { panic!("{:?}", recorder.spans()) };
    assert_eq!((add["name"].as_str(), add["message"].as_str()), ("call", "add"));
    let parent = seen.recv().await.unwrap().unwrap();
    assert_eq!(parent, format!("00-{}-{}-01", add["trace_id"], add["span_id"]));
    assert_ne!(add["trace_id"], panic["trace_id"]);
    assert!(!add.contains_key("parent_id"));
    let events = recorder.events.lock().unwrap();
    assert_eq!(events[..], ["DEBUG answered", "WARN failed: the handler of `panic` panicked: out of cheese"]);
}

#[tokio::test]
async fn a_nested_call_is_a_child_span() {
    async fn twice(request: Request, next: Next<'_>) -> Result<Response, Error> {
        local().wrapped_by(Trace).call(request.clone()).await?;
        let inner = TraceContext::current().unwrap();
        assert_eq!(request.metadata().get("traceparent"), Some(inner.to_string().as_str()));
        next.call(request).await
    }
    let (recorder, _guard) = recorder();
    local().wrapped_by(from_fn(twice)).wrapped_by(Trace).send(Add { a: 1, b: 1 }).await.unwrap();
    let [outer, inner] = &recorder.spans()[..] else { panic!("{:?}", recorder.spans()) };
    assert_eq!(outer["trace_id"], inner["trace_id"]);
    assert_eq!(outer["span_id"], inner["parent_id"]);
    assert_ne!(outer["span_id"], inner["span_id"]);
}

#[tokio::test]
async fn without_a_subscriber_no_metadata_is_sent() {
    let service = local()
        .wrapped_by(on_request(|request: &mut Request| {
            assert!(request.metadata().is_empty(), "{:?}", request.metadata());
            Ok(())
        }))
        .wrapped_by(Trace);
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
        futures_util::future::FutureExt::now_or_never(service.send(Add { a: 1, b: 1 })).unwrap().unwrap();
    });
}

struct Foreign;

impl Propagator for Foreign {
    fn inject(&self, span: &tracing::Span, metadata: &mut Metadata) {
        metadata.insert("foreign", span.metadata().unwrap().name());
    }

    fn extract(&self, _: &tracing::Span, _: &Metadata) {}
}

#[tokio::test]
async fn a_custom_propagator_replaces_the_built_in_one() {
    let (recorder, _guard) = recorder();
    let service = local()
        .wrapped_by(on_request(|request: &mut Request| {
            assert_eq!(request.metadata().iter().collect::<Vec<_>>(), [("foreign", "call")]);
            Ok(())
        }))
        .wrapped_by(Trace::with(Foreign));
    service.send(Add { a: 1, b: 1 }).await.unwrap();
    assert!(!recorder.spans()[0].contains_key("trace_id"));
}
