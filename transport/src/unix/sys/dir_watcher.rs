//! Notification about new entries in a directory.

#[cfg_attr(target_os = "linux", path = "dir_watcher/inotify.rs")]
#[cfg_attr(not(target_os = "linux"), path = "dir_watcher/unsupported.rs")]
mod system;

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use self::system::Notifier;

/// Polling interval on systems without a notifier.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Watches a directory for new entries.
pub(in crate::unix) struct DirWatcher(Option<Notifier>);

impl DirWatcher {
    /// Watches `dir` from now on. Call it within a tokio runtime with I/O enabled.
    pub(in crate::unix) fn new(dir: &Path) -> Self {
        // Falls back to polling if no notifier is available: a user may be limited to 128.
        Self(Notifier::new(dir).ok())
    }

    /// Waits until there may be a new entry. Cancel-safe.
    pub(in crate::unix) async fn changed(&mut self) {
        let notified = match &mut self.0 {
            Some(notifier) => notifier.changed().await.is_ok(),
            None => false,
        };
        if !notified {
            sleep(POLL_INTERVAL).await;
        }
    }
}
