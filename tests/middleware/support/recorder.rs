//! Records the spans of this process.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Layer that records one line for each span, with its fields.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<(u64, String)>>>);

impl Recorder {
    /// Installs the recorder for this process.
    pub(crate) fn install(&self) {
        tracing_subscriber::registry().with(self.clone()).init();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut line = attributes.metadata().name().to_owned();
        attributes.record(&mut Line(&mut line));
        self.0.lock().unwrap().push((id.into_u64(), line));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        // Ids are reused, so the last span with this id is the right one.
        let span = spans.iter_mut().rfind(|(span, _)| *span == id.into_u64());
        values.record(&mut Line(&mut span.expect("a recorded span").1));
    }
}
