//! Guard that ends a worker whose host is gone.

#[cfg(unix)]
mod unix;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isolated_workers_transport::Cleanup;

use super::signal_listener::SignalListener;

/// Time that an orphaned process gets to exit on its own before the guard ends it.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Delay before the signal thread starts, so that it does not compete with the first calls for CPU
/// time. A signal that arrives during the delay is handled after it.
const SIGNAL_THREAD_DELAY: Duration = Duration::from_millis(5);

/// Stack size of the guard's thread.
const STACK_BYTES: usize = 64 << 10;

/// Ends this process if its host is gone, unless the guard was disarmed. It runs on a thread,
/// because a handler may block the runtime forever.
pub(super) struct OrphanGuard {
    is_disarmed: Arc<AtomicBool>,
    hangup: Option<Box<dyn FnOnce() + Send>>,
    cleanup: Option<Cleanup>,
}

impl OrphanGuard {
    /// Creates a guard that does not watch yet. `hangup` returns when the host is gone. It is
    /// `None` if the transport cannot detect that, or if the host is this process.
    pub(super) fn new(hangup: Option<Box<dyn FnOnce() + Send>>, cleanup: Option<Cleanup>) -> Self {
        Self { is_disarmed: Arc::default(), hangup, cleanup }
    }

    /// Starts to watch the host on a new thread, which also starts the thread of `signals`. Does
    /// nothing if called again.
    pub(super) fn start(&mut self, signals: Option<SignalListener>) {
        let Some(hangup) = self.hangup.take() else {
            if let Some(signals) = signals {
                signals.spawn_thread();
            }
            return;
        };
        let (is_disarmed, cleanup) = (Arc::clone(&self.is_disarmed), self.cleanup.take());
        let watch = move || {
            if let Some(signals) = signals {
                std::thread::sleep(SIGNAL_THREAD_DELAY);
                signals.spawn_thread();
            }
            hangup();
            std::thread::sleep(ORPHAN_GRACE);
            if is_disarmed.load(Ordering::Acquire) {
                return;
            }
            if let Some(cleanup) = cleanup {
                cleanup.run();
            }
            std::process::exit(1);
        };
        #[cfg(unix)]
        let watch = match unix::start(STACK_BYTES, watch) {
            Ok(()) => return,
            // The stack may have been too small for this system.
            Err(watch) => watch,
        };
        let thread = std::thread::Builder::new().name("orphan-guard".into()).stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(watch) {
            tracing::warn!(%error, "could not start the orphan guard; a busy worker would outlive its host and ignore signals");
        }
    }

    /// Disarms the guard: this process no longer ends with its host.
    pub(super) fn disarm(self) {
        self.is_disarmed.store(true, Ordering::Release);
    }
}
