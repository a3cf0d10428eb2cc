use std::fmt;

use super::kept::Kept;

/// The end of what a worker's process has written to its standard streams, as far as its host reads them. Cloning is
/// cheap, all clones are of the same worker, and they go on with it.
#[derive(Clone, Default)]
pub struct Captured {
    pub(in crate::driver) stdout: Option<Kept>,
    pub(in crate::driver) stderr: Option<Kept>,
}

impl Captured {
    /// The end of its standard output: [`Worker::stdout`](crate::Worker::stdout).
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map_or_else(String::new, Kept::all)
    }

    /// The end of its standard error: [`Worker::stderr`](crate::Worker::stderr).
    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map_or_else(String::new, Kept::all)
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").finish_non_exhaustive()
    }
}
