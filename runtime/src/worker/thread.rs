//! Threads of a worker that watch its host and its signals.

#[cfg(unix)]
mod unix;

use std::io;

/// Starts a thread. Its stack has at least `stack_bytes`.
///
/// # Errors
/// Returns the system's error, such as at the limit of processes (`RLIMIT_NPROC`).
pub(super) fn start(name: &str, stack_bytes: usize, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(unix)]
    let run = match unix::start(stack_bytes, run) {
        Ok(()) => return Ok(()),
        // The stack may have been too small for this system.
        Err(run) => run,
    };
    std::thread::Builder::new().name(name.into()).stack_size(stack_bytes).spawn(run).map(drop)
}
