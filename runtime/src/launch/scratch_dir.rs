//! Private directory of a worker process, which its host removes after it.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::dir_lock::DirLock;
use super::process_host;

/// Environment variable with the path of the directory. Each start of a worker sets or removes it,
/// so that a worker of a worker does not inherit it.
pub(crate) const SCRATCH_DIR_VARIABLE: &str = "ISOLATED_WORKERS_SCRATCH_DIR";

/// Returns the private directory of this worker, if its host has made one with
/// [`Program::scratch_dir`](crate::Program::scratch_dir). It is the working directory at the start.
pub fn scratch_dir() -> Option<PathBuf> {
    process_host().and_then(|_| std::env::var_os(SCRATCH_DIR_VARIABLE)).map(PathBuf::from)
}

/// Keeps the directory locked until this process ends, so that no other host removes it, even if
/// the worker outlives its host.
pub(super) fn lock_scratch_dir() {
    static LOCK: OnceLock<Option<DirLock>> = OnceLock::new();
    LOCK.get_or_init(|| DirLock::share(&scratch_dir()?).ok());
}
