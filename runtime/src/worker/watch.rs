#[cfg(unix)]
mod unix;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isolated_workers_transport::Cleanup;

use super::signals::Obedience;

/// How long a process has to end by itself once its host is gone.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// How long the first calls have the processor for themselves before the thread starts that obeys signals. One that comes
/// meanwhile waits.
const FIRST_CALLS: Duration = Duration::from_millis(5);

/// Of the thread, in bytes.
const STACK: usize = 64 << 10;

/// Ends this process when a host that was not dismissed is gone. A thread does it, because a handler may keep the
/// runtime busy for ever.
pub(super) struct Watch {
    is_dismissed: Arc<AtomicBool>,
    hangup: Option<Box<dyn FnOnce() + Send>>,
    cleanup: Option<Cleanup>,
}

impl Watch {
    /// Watches nothing yet. `None`: the transport cannot tell, or the host is this process.
    pub(super) fn new(hangup: Option<Box<dyn FnOnce() + Send>>, cleanup: Option<Cleanup>) -> Self {
        Self { is_dismissed: Arc::default(), hangup, cleanup }
    }

    /// Watches the host until `hangup` returns, and has another thread obey signals. Nothing happens the second time.
    pub(super) fn begin(&mut self, obedience: Option<Obedience>) {
        let Some(hangup) = self.hangup.take() else {
            if let Some(obedience) = obedience {
                obedience.obey_on_thread();
            }
            return;
        };
        let (is_dismissed, cleanup) = (Arc::clone(&self.is_dismissed), self.cleanup.take());
        let watch = move || {
            if let Some(obedience) = obedience {
                std::thread::sleep(FIRST_CALLS);
                obedience.obey_on_thread();
            }
            hangup();
            std::thread::sleep(ORPHAN_GRACE);
            if is_dismissed.load(Ordering::Acquire) {
                return;
            }
            if let Some(cleanup) = cleanup {
                cleanup.run();
            }
            std::process::exit(1);
        };
        #[cfg(unix)]
        let watch = match unix::start(STACK, watch) {
            Ok(()) => return,
            // Perhaps it was too small a stack.
            Err(watch) => watch,
        };
        let thread = std::thread::Builder::new().name("host-watch".into()).stack_size(STACK);
        if let Err(error) = thread.spawn(watch) {
            tracing::warn!(%error, "no thread to watch the host with: a busy worker would outlive it, and ignore signals");
        }
    }

    /// The host may go.
    pub(super) fn dismiss(self) {
        self.is_dismissed.store(true, Ordering::Release);
    }
}
