//! Entry of a worker: names the function that the process runs, for programs with several.

use super::process_host;

/// Environment variable that names the entry. Each start of a worker sets or removes it, so that a
/// worker of a worker does not inherit it.
pub(crate) const ENTRY_VARIABLE: &str = "ISOLATED_WORKERS_ENTRY";

/// Returns the entry that the host of this process has named. `None` in a process that is not a
/// worker.
pub(crate) fn entry() -> Option<String> {
    process_host().and_then(|_| std::env::var(ENTRY_VARIABLE).ok())
}
