//! Lock of a directory, which its host and its worker share.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, lstat, open};
use rustix::process::geteuid;

/// Advisory lock of a directory. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirLock {
    _dir: OwnedFd,
}

impl DirLock {
    /// Locks a directory that is in use.
    ///
    /// # Errors
    /// The error of the system. `WouldBlock` or `NotFound` if another process removes the
    /// directory.
    pub(crate) fn share(path: &Path) -> io::Result<Self> {
        Self::lock(path, FlockOperation::NonBlockingLockShared)
    }

    /// Locks a directory that nobody uses. `None` if it is in use, is no directory, or belongs to
    /// another user.
    pub(crate) fn of_abandoned(path: &Path) -> Option<Self> {
        let is_own = lstat(path).is_ok_and(|stat| stat.st_uid == geteuid().as_raw());
        if is_own { Self::lock(path, FlockOperation::NonBlockingLockExclusive).ok() } else { None }
    }

    fn lock(path: &Path, operation: FlockOperation) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = open(path, flags, Mode::empty())?;
        flock(&dir, operation)?;
        // Another process may have removed it before it was locked.
        let (locked, there) = (fstat(&dir)?, lstat(path)?);
        if (locked.st_dev, locked.st_ino) != (there.st_dev, there.st_ino) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { _dir: dir })
    }
}
