//! Emits the events of workers.

use isolated_workers_middleware::open_spans;
use tracing::field::{Value, display};
use tracing::{Event, Level};

use super::event_callsite::EventCallsite;
use crate::launch::{FieldValue, WorkerEvent};

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
    // Fields of the event take precedence over those that the host adds.
    let is_free = |name: &str| fields.iter().all(|(taken, _)| taken != name);
    let mut texts = Vec::with_capacity(fields.len());
    for (_, value) in fields {
        texts.push(match value {
            FieldValue::Debug { debug } => Some(display(debug.as_str())),
            _ => None,
        });
    }
    let parent = event.parent.as_deref();
    let span = parent.and_then(open_spans::find);
    let spans = display(event.spans.as_str());
    let parent = display(parent.filter(|_| span.is_none()).unwrap_or_default());
    let mut names = Vec::with_capacity(fields.len() + 4);
    let mut values: Vec<Option<&dyn Value>> = Vec::with_capacity(fields.len() + 4);
    for ((name, value), text) in fields.iter().zip(&texts) {
        names.push(name.clone());
        values.push(match value {
            FieldValue::Bool(value) => Some(value),
            FieldValue::I64(value) => Some(value),
            FieldValue::U64(value) => Some(value),
            FieldValue::F64(value) => Some(value),
            FieldValue::Text(value) => Some(value),
            FieldValue::Debug { .. } => text.as_ref().map(|text| text as &dyn Value),
        });
    }
    let added: [(&str, &dyn Value, bool); 4] = [
        ("spans", &spans, !event.spans.is_empty()),
        // The call may have ended before its last events were read.
        ("span_id", &parent, span.is_none() && event.parent.is_some()),
        ("pid", &origin.pid, true),
        ("name", &origin.name, true),
    ];
    for (name, value, _) in added.into_iter().filter(|(name, _, is_set)| *is_set && is_free(name)) {
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
