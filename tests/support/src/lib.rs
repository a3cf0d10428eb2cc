//! Helpers shared by the tests: timeouts, processes, named pipes, and assertions on errors.

#[cfg(unix)]
mod fifo;
#[cfg(target_os = "linux")]
pub mod process;

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park_timeout};
use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, ExitReason};

#[cfg(unix)]
pub use fifo::Fifo;

/// Time after which a test counts as hung. Only a broken test reaches it.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(30);

/// Exit reason of a worker that SIGKILL killed, without a core dump.
pub const KILLED: ExitReason = ExitReason::Signaled { signal: 9, core_dumped: false };

/// Awaits the future for at most [`HANG_TIMEOUT`].
///
/// # Panics
/// If the future does not complete in time.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG_TIMEOUT, future).await.expect("the test hangs")
}

/// Runs the future on a new current-thread runtime, and drops the runtime afterwards.
///
/// # Panics
/// If the runtime cannot be built, or the future panics.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// Runs the future on this thread, without any runtime, for at most [`HANG_TIMEOUT`].
///
/// # Panics
/// If the future does not complete in time.
pub fn block_on_thread<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut future = pin!(future);
    let end = Instant::now() + HANG_TIMEOUT;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let rest = end.saturating_duration_since(Instant::now());
        assert!(!rest.is_zero(), "the test hangs");
        park_timeout(rest);
    }
}

/// Builds a current-thread runtime.
///
/// # Panics
/// If the runtime cannot be built.
pub fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a current-thread runtime")
}

/// Number in an environment variable, or `default` if the variable is not set.
///
/// # Panics
/// If the variable is not a number.
pub fn count_from_env<T: FromStr>(variable: &str, default: T) -> T {
    std::env::var(variable).map_or(default, |text| match text.parse() {
        Ok(count) => count,
        Err(_) => panic!("{variable} is {text:?}; set it to a number"),
    })
}

/// Names of the files and folders in a folder.
///
/// # Panics
/// If the folder cannot be read.
pub fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Asserts the kind of an error, and that its text, with all causes, contains each part.
///
/// # Panics
/// If the kind differs, or a part is missing.
#[track_caller]
pub fn assert_error(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    let text = format!("{error:#}");
    for part in parts {
        assert!(text.contains(part), "{text}\n  does not contain: {part}");
    }
}
