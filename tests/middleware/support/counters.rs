//! Records the metrics of this process.

use std::sync::OnceLock;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

#[derive(Default)]
pub(crate) struct Counters(OnceLock<Snapshotter>);

impl Counters {
    /// Installs the recorder for this process.
    pub(crate) fn install(&self) {
        let recorder = DebuggingRecorder::new();
        self.0.get_or_init(|| recorder.snapshotter());
        recorder.install().expect("the only recorder");
    }

    /// One line for each counter: its name, its labels and its count.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Some(snapshotter) = self.0.get() else { return Vec::new() };
        let mut lines = Vec::new();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            if let DebugValue::Counter(count) = value {
                let labels: Vec<_> = key.key().labels().map(|label| label.value()).collect();
                lines.push(format!("{} {} {count}", key.key().name(), labels.join(",")));
            }
        }
        lines
    }
}
