//! Recorder of traced output.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A traced line of a worker's output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) pid: u64,
    pub(crate) name: String,
    pub(crate) stream: String,
    pub(crate) text: String,
}

/// Subscriber that records the output of workers.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Line>>>);

impl Recorder {
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "isolated_workers::worker"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line {
            level: *event.metadata().level(),
            pid: 0,
            name: String::new(),
            stream: String::new(),
            text: String::new(),
        };
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        assert_eq!(field.name(), "pid");
        self.pid = value;
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => self.name = value.into(),
            "stream" => self.stream = value.into(),
            other => panic!("{other} = {value:?}"),
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        assert_eq!(field.name(), "message");
        self.text = format!("{value:?}");
    }
}
