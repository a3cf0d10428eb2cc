//! Sends a worker's `tracing` events to its host.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::launch::{EVENTS_VARIABLE, FieldValue, Fields, WorkerEvent};

/// Target of the spans that the layer `Trace` creates.
const TRACE_TARGET: &str = "isolated_workers_middleware::layer::trace";

/// Level of the text that a worker prints if its host takes no events and `RUST_LOG` is not set.
const TEXT_LEVEL: LevelFilter = LevelFilter::INFO;

/// Installs a `tracing` subscriber that sends this worker's events to its host. Call it first in
/// `main`. Does nothing if the program has installed another subscriber.
///
/// If the host reads the worker's standard error or output with `Output::Trace`, each event becomes
/// an event of the host: same level, target, fields and message, with the worker's `pid` and `name`
/// (see [`EventLayer`]). Otherwise, and in a program that is no worker, events are printed as text
/// to the standard error.
///
/// The maximum level is the one that the host's subscriber takes when the worker starts, or `INFO`
/// for text. `RUST_LOG` can select further, such as `info,my_crate::parser=debug`: targets and
/// levels, no spans or fields. The worker inherits it from the host, except with
/// [`Program::env_clear`](crate::Program::env_clear). The host's subscriber then filters as it does
/// for the host's own events.
///
/// ```no_run
/// isolated_workers_runtime::init_tracing();
/// tracing::info!(pages = 3, "ready");
/// ```
pub fn init_tracing() {
    let layer = EventLayer::from_host();
    let (text, level) = match &layer {
        Some(layer) => (None, layer.level),
        None => (Some(tracing_subscriber::fmt::layer().with_writer(io::stderr)), TEXT_LEVEL),
    };
    let selected = std::env::var("RUST_LOG").ok().and_then(|selected| selected.parse::<Targets>().ok());
    // Without a host that takes events, `RUST_LOG` alone decides.
    let level = if text.is_some() && selected.is_some() { LevelFilter::TRACE } else { level };
    // Fails if the program has a subscriber, which then takes the events.
    let _ = tracing_subscriber::registry().with(layer).with(text).with(selected).with(level).try_init();
}

/// Layer that sends a worker's `tracing` events to its host, for a worker with a subscriber of its
/// own. [`init_tracing`] is a whole subscriber with this layer.
///
/// An event is one line of JSON on the stream that the host reads with
/// [`Output::Trace`](crate::Output::Trace). Events and printed text therefore keep their order, and
/// events before a crash arrive. A line has at most 8 KiB: texts of a longer event are cut to 512
/// bytes, and if that is not enough, only the message is sent. As for any output, the worker waits
/// while its pipe is full.
///
/// The worker's own spans arrive as text, in the field `spans`. If host and worker have the layer
/// [`Trace`](isolated_workers_middleware::Trace), the event belongs to the host's span of the call.
///
/// ```no_run
/// use isolated_workers_runtime::EventLayer;
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(EventLayer::from_host()).init();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EventLayer {
    stream: Stream,
    level: LevelFilter,
}

#[derive(Clone, Copy, Debug)]
enum Stream {
    Output,
    Error,
}

impl EventLayer {
    /// Returns the layer. `None` if this process is no worker, or if its host takes no events.
    pub fn from_host() -> Option<Self> {
        if !crate::launch::is_worker() {
            return None;
        }
        let value = std::env::var(EVENTS_VARIABLE).ok()?;
        let (stream, level) = value.split_once(':')?;
        let stream = match stream {
            "stdout" => Stream::Output,
            "stderr" => Stream::Error,
            _ => return None,
        };
        Some(Self { stream, level: level.parse().ok()? })
    }

    fn write(self, line: &str) {
        // The host may be gone, and a logger must not fail its program.
        let _ = match self.stream {
            Stream::Output => {
                let mut stream = io::stdout().lock();
                stream.write_all(line.as_bytes()).and_then(|()| stream.flush())
            }
            Stream::Error => io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// Text of a span, kept with it.
struct SpanText {
    /// `None` for the span of a call.
    text: Option<String>,
    /// Span id of the host's call.
    parent: Option<String>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for EventLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let metadata = span.metadata();
        let is_call = metadata.target() == TRACE_TARGET && metadata.name() == "handle";
        let mut text = SpanText { text: (!is_call).then(String::new), parent: None };
        attributes.record(&mut text);
        span.extensions_mut().insert(text);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(text) = span.extensions_mut().get_mut::<SpanText>()
        {
            values.record(text);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > self.level {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (mut spans, mut parent) = (String::new(), None);
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(SpanText { text, parent: of_call }) = extensions.get::<SpanText>() else { continue };
            if of_call.is_some() {
                parent.clone_from(of_call);
            }
            let Some(text) = text else { continue };
            let separator = if spans.is_empty() { "" } else { ":" };
            let _ = match text.as_str() {
                "" => write!(spans, "{separator}{}", span.name()),
                fields => write!(spans, "{separator}{}{{{fields}}}", span.name()),
            };
        }
        let (level, target) = (metadata.level().to_string(), metadata.target().to_owned());
        self.write(&WorkerEvent { level, target, fields, spans, parent }.into_line());
    }
}

impl Visit for SpanText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match &mut self.text {
            Some(text) => {
                let separator = if text.is_empty() { "" } else { " " };
                // Writing to a `String` fails only if `value` does.
                let _ = write!(text, "{separator}{field}={value:?}");
            }
            None if field.name() == "parent_id" => self.parent = Some(format!("{value:?}")),
            None => {}
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        let value = if value.is_finite() { FieldValue::F64(value) } else { debug(&value) };
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, FieldValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, FieldValue::U64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, FieldValue::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, debug(value));
    }
}

fn debug(value: &dyn fmt::Debug) -> FieldValue {
    FieldValue::Debug { debug: format!("{value:?}") }
}

impl Fields {
    fn push(&mut self, field: &Field, value: FieldValue) {
        self.0.push((field.name().to_owned(), value));
    }
}
