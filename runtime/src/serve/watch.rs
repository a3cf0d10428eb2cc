use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isolated_workers_transport::Residue;

/// How long a process has to end by itself once its host is gone.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Ends this process when a host that was not dismissed is gone. A thread does it, because a handler may keep the
/// runtime busy for ever.
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Watches the host until `hangup` returns. `None`: the transport cannot tell, or the host is this process.
    pub(super) fn new(hangup: Option<Box<dyn FnOnce() + Send>>, residue: Option<Residue>) -> Self {
        let dismissed = Arc::new(AtomicBool::new(false));
        let Some(hangup) = hangup else { return Self(dismissed) };
        let is_dismissed = Arc::clone(&dismissed);
        let watch = move || {
            hangup();
            std::thread::sleep(ORPHAN_GRACE);
            if is_dismissed.load(Ordering::Acquire) {
                return;
            }
            if let Some(residue) = residue {
                residue.remove();
            }
            std::process::exit(1);
        };
        let thread = std::thread::Builder::new().name("host-watch".into()).stack_size(64 << 10);
        if let Err(error) = thread.spawn(watch) {
            tracing::warn!(%error, "no thread to watch the host with: a busy worker would outlive it");
        }
        Self(dismissed)
    }

    /// The host may go.
    pub(super) fn dismiss(self) {
        self.0.store(true, Ordering::Release);
    }
}
