//! Directories that only the user can enter.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::error::with_context;

/// Makes a directory in the system's directory for temporary files. Its mode is 0700 from the
/// start.
pub(in crate::unix) fn create() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("isolated-workers-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| {
            let attempt = format!("could not make a directory in {}", std::env::temp_dir().display());
            with_context(&attempt, error)
        })
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
