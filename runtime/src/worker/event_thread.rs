use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::orphan_guard::ParentGuard;
use super::signal_listener::SignalListener;
use super::thread;

/// Delay before the thread does anything, so that it does not compete with the first calls for CPU
/// time. An event during the delay is handled after it.
const DELAY: Duration = Duration::from_millis(5);

/// Stack size of the thread. It runs a tokio runtime.
const STACK_BYTES: usize = 256 << 10;

/// Starts a thread that handles signals and the end of the parent, because a handler may block the
/// worker's runtime. Its own runtime is built before, so that a worker without one declines its
/// host.
///
/// # Errors
/// Returns the system's error if it refuses the thread or a descriptor.
pub(super) fn start(signals: Option<SignalListener>, parent: Option<ParentGuard>) -> io::Result<()> {
    if signals.is_none() && parent.is_none() {
        return Ok(());
    }
    let runtime = EventRuntime(Some(Builder::new_current_thread().enable_all().build()?));
    thread::start("events", STACK_BYTES, move || {
        std::thread::sleep(DELAY);
        runtime.block_on(async {
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
        });
    })
}

/// Runtime that may be dropped on a thread that runs another one: if the system refuses the thread.
struct EventRuntime(Option<Runtime>);

impl EventRuntime {
    fn block_on(&self, future: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(future);
        }
    }
}

impl Drop for EventRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
