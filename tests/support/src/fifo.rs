use std::fs::File;
use std::process::Command;

use tempfile::TempDir;

use crate::soon;

/// Named pipe in a temporary folder. A reader blocks until the test has written to the pipe and
/// closed it.
#[derive(Debug)]
pub struct Fifo(TempDir);

impl Fifo {
    /// Creates a pipe.
    ///
    /// # Panics
    /// If the pipe cannot be created.
    #[expect(clippy::new_without_default, reason = "it creates a file")]
    pub fn new() -> Self {
        let fifo = Self(tempfile::tempdir().unwrap());
        let status = Command::new("mkfifo").arg(fifo.path()).status().unwrap();
        assert!(status.success(), "could not create a pipe: mkfifo failed");
        fifo
    }

    /// Path of the pipe.
    pub fn path(&self) -> String {
        self.sibling("pipe")
    }

    /// Path of another file in the pipe's folder.
    pub fn sibling(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Opens the pipe for writing as soon as a reader has opened it.
    ///
    /// # Panics
    /// If no reader opens the pipe within [`HANG_TIMEOUT`](crate::HANG_TIMEOUT).
    pub async fn opened(&self) -> File {
        let path = self.path();
        let open = tokio::task::spawn_blocking(|| File::options().write(true).open(path));
        soon(open).await.unwrap().unwrap()
    }
}
