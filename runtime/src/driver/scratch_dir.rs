//! Private directories of worker processes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::system::{Attributes, private_permissions};
use crate::launch::DirLock;

/// Start of the names, by which a later host finds abandoned directories.
const PREFIX: &str = "isolated-worker-";

/// Number of attempts to create a directory that no other host takes for abandoned before it is
/// locked.
const MAX_ATTEMPTS: usize = 5;

/// Pauses between attempts to remove a directory: a process that was killed may still be ending.
const REMOVAL_PAUSES_MS: [u64; 8] = [1, 5, 10, 20, 50, 100, 200, 400];

/// Private directory of one process. It is removed, with its contents, when this value is dropped.
#[derive(Debug)]
pub(super) struct ScratchDir {
    dir: TempDir,
    lock: DirLock,
}

impl ScratchDir {
    /// Creates a directory in `parent`, which only the user of the process can read. Removes those
    /// that hosts have left there which were killed, in the background.
    pub(super) fn create(parent: &Path, attributes: &Attributes) -> io::Result<Self> {
        remove_abandoned(parent.to_owned());
        let mut attempts = 1..MAX_ATTEMPTS;
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX);
            if let Some(permissions) = private_permissions() {
                builder.permissions(permissions);
            }
            // An absolute path, because the worker has another working directory.
            let dir = builder.tempdir_in(std::path::absolute(parent)?)?;
            match DirLock::share(dir.path()) {
                Ok(lock) => {
                    attributes.give(dir.path())?;
                    return Ok(Self { dir, lock });
                }
                Err(error) if attempts.next().is_none() => return Err(error),
                Err(_) => {}
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the directory to a process that outlives this one.
    pub(super) fn leave(self) {
        let _ = self.dir.keep();
    }

    /// Removes the directory. Blocks the thread for up to a second if the process is still ending.
    pub(super) fn remove(self) {
        let Self { dir, lock: _lock } = self;
        let path = dir.keep();
        let mut pauses = REMOVAL_PAUSES_MS.into_iter();
        while let Err(error) = remove(&path) {
            let Some(pause) = pauses.next() else {
                let path = path.display();
                tracing::warn!("could not remove the directory {path} of a worker: {error}");
                return;
            };
            thread::sleep(Duration::from_millis(pause));
        }
    }

    /// Removes the directory on a thread of its own, which needs no runtime.
    pub(super) fn remove_in_background(self) {
        // If the system refuses the thread, the value is dropped here.
        let _ = thread::Builder::new().name("scratch-dir".into()).spawn(move || self.remove());
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes the directories in `parent` that no process uses, on a thread of its own. One thread
/// does that at a time.
fn remove_abandoned(parent: PathBuf) {
    static IS_RUNNING: AtomicBool = AtomicBool::new(false);
    if IS_RUNNING.swap(true, Ordering::AcqRel) {
        return;
    }
    let search = move || {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in
            entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        {
            if let Some(_lock) = DirLock::of_abandoned(&entry.path()) {
                // A later host tries again.
                let _ = remove(&entry.path());
            }
        }
        IS_RUNNING.store(false, Ordering::Release);
    };
    if thread::Builder::new().name("scratch-dir".into()).spawn(search).is_err() {
        IS_RUNNING.store(false, Ordering::Release);
    }
}
