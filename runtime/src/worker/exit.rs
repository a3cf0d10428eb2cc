//! End of a worker's process.
#![cfg_attr(unix, allow(unsafe_code))]

use std::time::Duration;

use isolated_workers_transport::Cleanup;

#[cfg(unix)]
use super::process_group;
use super::thread;

/// Time for the cleanup and the exit handlers of the process, after which it ends without them.
const EXIT_HANDLERS_TIMEOUT: Duration = Duration::from_millis(500);

/// Stack size of the thread that ends the process.
const STACK_BYTES: usize = 64 << 10;

/// Ends this process, and its process group if the host has ended. An exit handler may block
/// forever, for example on a lock that a busy handler holds: the process then ends without it.
pub(super) fn exit(code: i32, cleanup: Option<&Cleanup>) -> ! {
    let limit = thread::start("exit", STACK_BYTES, move || {
        std::thread::sleep(EXIT_HANDLERS_TIMEOUT);
        exit_without_handlers(code);
    });
    if let Some(cleanup) = cleanup {
        cleanup.run();
    }
    if limit.is_err() {
        exit_without_handlers(code);
    }
    std::process::exit(code)
}

#[cfg(unix)]
fn exit_without_handlers(code: i32) -> ! {
    process_group::kill_if_orphaned();
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Windows runs no exit handlers of the program here. It ends all other threads first, so none of
/// them can hold up the end.
#[cfg(not(unix))]
fn exit_without_handlers(code: i32) -> ! {
    std::process::exit(code)
}
