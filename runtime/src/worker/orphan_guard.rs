//! Guard that ends a worker whose host is gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isolated_workers_transport::Cleanup;

use super::exit::exit;
use super::parent::ParentProcess;
use super::thread;

/// Time that an orphaned process gets to exit on its own before a guard ends it.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Stack size of the guard's thread.
const STACK_BYTES: usize = 64 << 10;

/// Ends this process when its connection has ended, unless the guard was disarmed. It runs on a
/// thread, because a handler may block the runtime forever.
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

    /// Starts to watch the connection on a new thread.
    ///
    /// # Errors
    /// Returns the system's error if it refuses the thread.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Some(hangup) = self.hangup.take() else { return Ok(()) };
        let (is_disarmed, cleanup) = (Arc::clone(&self.is_disarmed), self.cleanup.take());
        thread::start("orphan-guard", STACK_BYTES, move || {
            hangup();
            std::thread::sleep(ORPHAN_GRACE);
            if !is_disarmed.load(Ordering::Acquire) {
                exit(1, cleanup.as_ref());
            }
        })
    }

    /// Disarms the guard: this process no longer ends with its connection.
    pub(super) fn disarm(&self) {
        self.is_disarmed.store(true, Ordering::Release);
    }
}

/// Ends this process when its parent, the host, has ended, unless the worker was detached.
///
/// A connection may stay open longer than its host: a process that the host has forked without
/// `exec` holds the host's descriptors.
pub(super) struct ParentGuard {
    pub(super) parent: ParentProcess,
    pub(super) is_detached: Arc<AtomicBool>,
    pub(super) cleanup: Option<Cleanup>,
}

impl ParentGuard {
    /// Ends this process with its parent. Returns if the worker was detached.
    pub(super) async fn run(self) {
        self.parent.ended().await;
        tokio::time::sleep(ORPHAN_GRACE).await;
        if !self.is_detached.load(Ordering::Acquire) {
            exit(1, self.cleanup.as_ref());
        }
    }
}
