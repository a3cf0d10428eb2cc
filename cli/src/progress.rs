use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two updates.
const INTERVAL: Duration = Duration::from_millis(100);

/// Line on the standard error that shows how far a run is, if that is a terminal, and answers go
/// elsewhere.
pub(crate) struct Progress {
    is_shown: bool,
    start: Instant,
    updated: Instant,
}

impl Progress {
    pub(crate) fn new(output_is_terminal: bool) -> Self {
        let now = Instant::now();
        Self { is_shown: !output_is_terminal && io::stderr().is_terminal(), start: now, updated: now }
    }

    /// Shows the numbers of calls, at most ten times a second.
    pub(crate) fn show(&mut self, answered: u64, failed: u64) {
        if self.is_shown && self.updated.elapsed() >= INTERVAL {
            self.updated = Instant::now();
            let rate = (answered + failed) as f64 / self.start.elapsed().as_secs_f64();
            let _ = write!(io::stderr(), "\r\x1b[K{answered} answered, {failed} failed, {rate:.0} a second");
        }
    }

    /// Removes the line.
    pub(crate) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
