use std::fmt;

use super::tail::OutputTail;

/// Tails of a worker's standard streams, if its host reads them. Clones are cheap and refer to the
/// same worker.
#[derive(Clone, Default)]
pub struct Captured {
    pub(in crate::driver) stdout: Option<OutputTail>,
    pub(in crate::driver) stderr: Option<OutputTail>,
}

impl Captured {
    /// Tail of the standard output: [`Worker::stdout`](crate::Worker::stdout).
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map_or_else(String::new, OutputTail::text)
    }

    /// Tail of the standard error: [`Worker::stderr`](crate::Worker::stderr).
    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map_or_else(String::new, OutputTail::text)
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").finish_non_exhaustive()
    }
}
