//! Directories that only the user can enter.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::with_context;

/// A directory that only the user can enter, and the one file in it. Both are removed when the
/// value is dropped.
///
/// Removal takes no descriptor, so it also works if none is free.
#[derive(Debug)]
pub(in crate::unix) struct PrivateDir {
    file: PathBuf,
}

impl PrivateDir {
    /// Makes a directory in the system's directory for temporary files, for a file of this name.
    /// Its mode is 0700 from the start.
    pub(in crate::unix) fn create(file_name: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("isolated-workers-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| {
                let attempt = format!("could not make a directory in {}", std::env::temp_dir().display());
                with_context(&attempt, error)
            })?;
        Ok(Self { file: dir.keep().join(file_name) })
    }

    /// Path of the file, which may not exist yet.
    pub(in crate::unix) fn file(&self) -> &Path {
        &self.file
    }

    /// Keeps the directory. Returns the path of the file.
    pub(in crate::unix) fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.file)
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if !self.file.as_os_str().is_empty() {
            remove_with_dir(&self.file);
        }
    }
}

/// Removes a file and its directory, if nothing else is in it.
pub(in crate::unix) fn remove_with_dir(file: &Path) {
    // Whoever shares the directory may have removed them already.
    let _ = std::fs::remove_file(file);
    if let Some(dir) = file.parent() {
        let _ = std::fs::remove_dir(dir);
    }
}

/// Returns the path as text. An environment variable carries it to the worker.
pub(in crate::unix) fn utf8(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| {
        let text = format!(
            "could not pass the path {} to a worker: it is not UTF-8; choose a path that is",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}
