//! Events of a worker arrive as events of its host.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use isolated_workers::codec::Json;
use isolated_workers::driver::Output;
use isolated_workers::layer::{Layered, Trace};
use isolated_workers::transport::{SocketPair, Stdio};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use self::journal::JournalClient;
use super::*;

#[path = "services/journal.rs"]
mod journal;

const EVENTS_WORKER: &str = env!("CARGO_BIN_EXE_events-worker");

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    level: Level,
    target: String,
    /// As `Debug` of the value that was recorded.
    fields: BTreeMap<String, String>,
    /// Name and `message` of the span.
    span: Option<(String, String)>,
}

/// Records all events but those of this library.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: Context<'_, S>,
    ) {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("isolated_workers_") {
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let span = context.event_span(event).map(|span| {
            let message = span.extensions().get::<Fields>().unwrap().0["message"].clone();
            (span.name().to_owned(), message)
        });
        let seen =
            Seen { level: *metadata.level(), target: metadata.target().into(), fields: fields.0, span };
        self.0.lock().unwrap().push(seen);
    }
}

impl Recorder {
    fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn messages(&self) -> Vec<(Level, String)> {
        self.seen().into_iter().map(|seen| (seen.level, seen.fields["message"].clone())).collect()
    }
}

/// Makes a call, closes the worker, and returns all events.
async fn events<F: Future>(
    program: Program,
    call: impl FnOnce(JournalClient<Worker<Layered<Trace, Link<Json>>>>) -> F,
) -> Recorder {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone()).with(LevelFilter::DEBUG);
    let _guard = tracing::subscriber::set_default(subscriber);
    let worker = soon(Worker::builder(program).layer(Trace).spawn()).await.unwrap();
    soon(call(JournalClient::new(worker.clone()))).await;
    let _ = soon(worker.close()).await;
    recorder
}

fn program() -> Program {
    Program::new(EVENTS_WORKER).stderr(Output::Trace)
}

#[tokio::test]
async fn events_keep_level_target_and_order_and_the_host_filters_them() {
    let recorder = events(program(), async |journal| journal.levels().await.unwrap()).await;
    let expected = [
        (Level::ERROR, "an error"),
        (Level::WARN, "a warning"),
        (Level::INFO, "an information"),
        (Level::DEBUG, "a detail"),
    ];
    assert_eq!(recorder.messages(), expected.map(|(level, text)| (level, text.into())));
    assert!(recorder.seen().iter().all(|seen| seen.target == "events_worker"), "{:?}", recorder.seen());
}

#[tokio::test]
async fn fields_keep_their_types_and_the_spans_of_the_worker_are_text() {
    let recorder =
        events(program(), async |journal| journal.fields(u64::MAX, "\"a\" \n b".into()).await.unwrap()).await;
    let [seen] = &recorder.seen()[..] else { panic!("{:?}", recorder.seen()) };
    assert_eq!(seen.target, "decoder");
    let mut fields = seen.fields.clone();
    assert!(
        fields.remove("pid").is_some()
            && fields.remove("name").is_some_and(|name| name == "\"events-worker\"")
    );
    let _ = fields.remove("span_id");
    let expected = [
        ("message", "decoded 18446744073709551615"),
        ("number", "18446744073709551615"),
        ("text", r#""\"a\" \n b""#),
        ("text2", r#""\"a\" \n b""#),
        ("ratio", "1.5"),
        ("negative", "-2"),
        ("infinite", "inf"),
        ("ok", "true"),
        ("worker.name", "\"own\""),
        ("spans", "load{file=\"a.png\" size=7}:parse"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn an_event_belongs_to_the_span_of_its_call() {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone()).with(LevelFilter::DEBUG);
    let _guard = tracing::subscriber::set_default(subscriber);
    let worker = soon(Worker::builder(program()).layer(Trace).spawn()).await.unwrap();
    let client = JournalClient::new(worker.clone());
    {
        let mut call = Box::pin(client.wait());
        let seen = async {
            while recorder.seen().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut call => panic!("the call has ended"),
            () = soon(seen) => {}
        }
    }
    let span = Some(("call".to_owned(), "\"wait\"".to_owned()));
    assert_eq!(recorder.seen()[0].span, span, "{:?}", recorder.seen());
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_selection_of_targets_reaches_the_worker() {
    let quiet = program().env_clear().env("RUST_LOG", "warn");
    let recorder = events(quiet, async |journal| journal.levels().await.unwrap()).await;
    assert_eq!(recorder.messages().len(), 2, "{:?}", recorder.seen());
    let other = program().env("RUST_LOG", "decoder=debug");
    let recorder = events(other, async |journal| {
        journal.levels().await.unwrap();
        journal.fields(1, String::new()).await.unwrap();
    })
    .await;
    assert_eq!(recorder.messages(), [(Level::INFO, "decoded 1".into())]);
}

#[tokio::test]
async fn the_last_event_before_a_crash_arrives() {
    let recorder = events(program(), async |journal| journal.abort().await.unwrap_err()).await;
    assert_eq!(recorder.messages()[0], (Level::ERROR, "about to abort".into()));
}

#[tokio::test]
async fn a_large_event_is_cut() {
    let recorder = events(program(), async |journal| journal.large(1 << 20).await.unwrap()).await;
    let seen = &recorder.seen()[0];
    assert_eq!(seen.fields["message"], "large");
    assert_eq!(seen.fields["payload"], format!("\"{}…\"", "ü".repeat(256)));
}

/// With `Stdio`, the standard output is the connection.
#[tokio::test]
async fn events_arrive_over_either_stream() {
    let on_stdout = Program::new(EVENTS_WORKER).stdout(Output::Trace);
    let recorder = events(on_stdout.clone(), async |journal| journal.levels().await.unwrap()).await;
    assert_eq!(recorder.messages().len(), 4);
    let worker =
        soon(Worker::builder(on_stdout.stderr(Output::Capture)).transport(Stdio).spawn()).await.unwrap();
    soon(JournalClient::new(worker.clone()).levels()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert!(worker.stderr().contains("an error"), "{}", worker.stderr());
}

#[tokio::test]
async fn a_host_that_reads_no_events_gets_text() {
    let program = Program::new(EVENTS_WORKER).stderr(Output::Capture);
    let worker = soon(Worker::builder(program).transport(SocketPair).spawn()).await.unwrap();
    soon(JournalClient::new(worker.clone()).levels()).await.unwrap();
    soon(worker.close()).await.unwrap();
    let text = worker.stderr();
    assert!(text.contains("an information") && !text.contains("a detail"), "{text}");
    assert!(!text.contains("iw-event"), "{text}");
}

/// Its environment is clean.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn events_arrive_from_a_confined_worker() {
    use isolated_workers::sandbox::{Protection, Sandbox};

    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone()).with(LevelFilter::INFO);
    let _guard = tracing::subscriber::set_default(subscriber);
    let sandbox = Sandbox::deny_all().may_lack(Protection::NewCode);
    let worker = soon(Worker::builder(program()).sandbox(sandbox).spawn()).await.unwrap();
    soon(JournalClient::new(worker.clone()).levels()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(recorder.messages().len(), 3, "{:?}", recorder.seen());
}

/// Lines that only look like events are text, and a worker cannot make its host keep names without
/// end.
#[tokio::test]
async fn invalid_events_are_text() {
    let mut lines = String::new();
    for line in [
        r#"{"iw-event":}"#,
        r#"{"iw-event":{"level":"LOUD","target":"t"}}"#,
        r#"{"iw-event":{"level":"INFO","target":"t","fields":{"a":[1]}}}"#,
        r#" {"iw-event":{"level":"INFO","target":"t"}}"#,
    ] {
        lines += line;
        lines += "\n";
    }
    for invented in 0..2000 {
        lines += &format!(
            "{{\"iw-event\":{{\"level\":\"INFO\",\"target\":\"invented\",\"fields\":{{\"f{invented}\":1}}}}}}\n"
        );
    }
    let many: Vec<_> = (0..40).map(|field| format!("\"f{field}\":1")).collect();
    lines += &format!(
        "{{\"iw-event\":{{\"level\":\"INFO\",\"target\":\"t\",\"fields\":{{{}}}}}}}\n",
        many.join(",")
    );
    let recorder = events(program(), async |journal| journal.write(lines.into()).await.unwrap()).await;
    let seen = recorder.seen();
    assert_eq!(seen.len(), 4 + 2000 + 1);
    let (texts, events): (Vec<_>, Vec<_>) =
        seen.iter().partition(|seen| seen.target == "isolated_workers::worker");
    assert!(texts.len() > 900 && events.len() > 900, "{} {}", texts.len(), events.len());
    assert!(texts.iter().all(|seen| seen.level == Level::WARN));
}
