use std::io;
use std::time::Duration;

use super::orphan_guard::ParentGuard;
use super::signal_listener::SignalListener;
use super::thread;

/// Delay before the thread does anything, so that it does not compete with the first calls for CPU
/// time. An event during the delay is handled after it.
const DELAY: Duration = Duration::from_millis(5);

/// Stack size of the thread. It runs a tokio runtime.
const STACK_BYTES: usize = 256 << 10;

/// Starts a thread that handles signals and the end of the parent, because a handler may block the
/// worker's runtime.
///
/// # Errors
/// Returns the system's error if it refuses the thread.
pub(super) fn start(signals: Option<SignalListener>, parent: Option<ParentGuard>) -> io::Result<()> {
    if signals.is_none() && parent.is_none() {
        return Ok(());
    }
    thread::start("events", STACK_BYTES, move || {
        std::thread::sleep(DELAY);
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                let signals = async {
                    if let Some(mut signals) = signals {
                        match signals.listen().await {}
                    }
                };
                let parent = async {
                    if let Some(parent) = parent {
                        parent.run().await;
                    }
                };
                tokio::join!(signals, parent);
            }),
            Err(error) => tracing::warn!(
                %error,
                "could not build a runtime for signals; this worker ignores them"
            ),
        }
    })
}
