//! Emits the events of workers.

use std::fmt::{self, Write};

use isolated_workers_middleware::open_spans;
use tracing::field::{Value, display};
use tracing::{Event, Level};

use super::event_callsite::EventCallsite;
use crate::launch::{FieldValue, WorkerEvent};

/// Fields that the host adds.
const HOST_FIELDS: [&str; 4] = ["spans", "span_id", "pid", "name"];

/// Text of a worker, whose control characters are escaped. It cannot forge a line of a log.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => f.write_char(character),
        })
    }
}

/// Process that an event comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) pid: u32,
    pub(super) name: &'a str,
}

/// Emits an event of a worker as an event of this process, within the span of the call that it
/// belongs to. Returns `false` if it is no valid event, or if `tracing` cannot represent it.
pub(super) fn emit(event: &WorkerEvent, origin: Origin<'_>) -> bool {
    let Ok(level) = event.level.parse::<Level>() else { return false };
    let fields = &event.fields.0;
    let mut texts = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        texts.push(match value {
            FieldValue::Debug { debug } => Some(display(OneLine(debug))),
            // A message is shown without quotes.
            FieldValue::Text(text) if name == "message" => Some(display(OneLine(text))),
            _ => None,
        });
    }
    let parent = event.parent.as_deref();
    let span = parent.and_then(open_spans::find);
    let spans = display(OneLine(&event.spans));
    let parent = display(OneLine(parent.filter(|_| span.is_none()).unwrap_or_default()));
    let mut names = Vec::with_capacity(fields.len() + 4);
    let mut values: Vec<Option<&dyn Value>> = Vec::with_capacity(fields.len() + 4);
    for ((name, value), text) in fields.iter().zip(&texts) {
        // The host tells where an event comes from, not the worker.
        names.push(if HOST_FIELDS.contains(&name.as_str()) {
            format!("worker.{name}")
        } else {
            name.clone()
        });
        values.push(match value {
            FieldValue::Bool(value) => Some(value),
            FieldValue::I64(value) => Some(value),
            FieldValue::U64(value) => Some(value),
            FieldValue::F64(value) => Some(value),
            FieldValue::Text(value) if text.is_none() => Some(value),
            FieldValue::Text(_) | FieldValue::Debug { .. } => text.as_ref().map(|text| text as &dyn Value),
        });
    }
    let added: [(&str, &dyn Value, bool); 4] = [
        ("spans", &spans, !event.spans.is_empty()),
        // The call may have ended before its last events were read.
        ("span_id", &parent, span.is_none() && event.parent.is_some()),
        ("pid", &origin.pid, true),
        ("name", &origin.name, true),
    ];
    for (name, value, _) in added.into_iter().filter(|(_, _, is_set)| *is_set) {
        names.push(name.to_owned());
        values.push(Some(value));
    }
    let Some(callsite) = EventCallsite::of(level, &event.target, names) else { return false };
    if !callsite.is_enabled() {
        return true;
    }
    let metadata = callsite.metadata();
    let values = metadata.fields().value_set_all(&values);
    match span {
        Some(span) => Event::child_of(span.id(), metadata, &values),
        None => Event::dispatch(metadata, &values),
    }
    true
}
