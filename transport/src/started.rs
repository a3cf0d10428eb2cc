use std::sync::atomic::{AtomicBool, Ordering};

/// Environment variable with the path of a program. A process that is started with it prepares
/// itself before `main`, and executes that program with the channel that it has inherited.
pub const LAUNCHER_VARIABLE: &str = "ISOLATED_WORKERS_LAUNCH";

static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Records that a host has started this process.
#[cfg_attr(windows, allow(dead_code, reason = "only Unix has launchers"))]
pub(crate) fn set() {
    IS_STARTED.store(true, Ordering::Release);
}

/// Returns `true` if a host has started this process with a channel of a built-in transport as its
/// standard stream, or as a launcher. Known before `main`, on Unix alone: elsewhere it returns
/// `false`.
pub fn is_started_by_host() -> bool {
    IS_STARTED.load(Ordering::Acquire)
}
