use std::time::Instant;

/// Text log of the steps of a simulation. Recorded only on request: a failing seed runs a second
/// time with it, so passing seeds do not pay for the log.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Option<Vec<String>>,
    start: Option<Instant>,
}

impl Trace {
    pub(super) fn recording() -> Self {
        Self { lines: Some(Vec::new()), start: None }
    }

    /// Records a step before it runs, so that the log includes a step that panics.
    pub(super) fn step(&mut self, now: Instant, line: impl FnOnce() -> String) {
        let start = *self.start.get_or_insert(now);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("+{:<8?} {}", now - start, line()));
        }
    }

    /// Appends the outcome to the last step.
    pub(super) fn outcome(&mut self, outcome: impl FnOnce() -> String) {
        if let Some(line) = self.lines.as_mut().and_then(|lines| lines.last_mut()) {
            line.push_str(": ");
            line.push_str(&outcome());
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
