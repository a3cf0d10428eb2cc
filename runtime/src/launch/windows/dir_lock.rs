//! Lock of a directory: none on Windows, where a directory cannot be locked.

use std::io;
use std::path::Path;

/// Lock of a directory, which does nothing.
#[derive(Debug)]
pub(crate) struct DirLock;

impl DirLock {
    #[allow(clippy::unnecessary_wraps, reason = "the signature is that of Unix")]
    pub(crate) fn share(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }

    /// Returns `None`: it is unknown if a directory is in use.
    pub(crate) fn of_abandoned(_: &Path) -> Option<Self> {
        None
    }
}
