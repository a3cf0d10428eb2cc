//! When something new is in a folder.

#[cfg_attr(target_os = "linux", path = "changes/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "changes/other.rs")]
mod system;

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use self::system::Watch;

/// How often to look where the system does not tell.
const INTERVAL: Duration = Duration::from_millis(10);

/// Tells that something may have been put into a folder.
pub(super) struct Changes(Option<Watch>);

impl Changes {
    /// Tells of what is put into `folder` from now on. Must be called within a tokio runtime with I/O enabled.
    pub(super) fn of(folder: &Path) -> Self {
        // There are as few as 128 of them for all processes of a user.
        Self(Watch::new(folder).ok())
    }

    /// QueueStats for the next change. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let told = match &mut self.0 {
            Some(watch) => watch.next().await.is_ok(),
            None => false,
        };
        if !told {
            sleep(INTERVAL).await;
        }
    }
}
