//! A folder that only the user can enter.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::error::because;

/// Makes one in the system's folder for temporary files. It is 0700 from the start.
pub(super) fn private() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("isolated-workers-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| {
            let attempt = format!("could not make a folder in {}", std::env::temp_dir().display());
            because(&attempt, error)
        })
}

/// The path as text, which an environment variable needs.
pub(super) fn text(path: &std::path::Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| {
        let why = format!("the path {} is not UTF-8, and a worker is told it as text", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}
