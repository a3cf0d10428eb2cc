use std::fs::File;
use std::process::Command;

use tempfile::TempDir;

use crate::soon;

/// A named pipe in a temporary folder. A reader waits until the test has written and closed it.
#[derive(Debug)]
pub struct Fifo(TempDir);

impl Fifo {
    /// Makes a pipe.
    ///
    /// # Panics
    /// If the pipe cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let fifo = Self(tempfile::tempdir().unwrap());
        let status = Command::new("mkfifo").arg(fifo.path()).status().unwrap();
        assert!(status.success(), "mkfifo failed");
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
    /// If no reader opens it in time.
    pub async fn opened(&self) -> File {
        let path = self.path();
        let open = tokio::task::spawn_blocking(|| File::options().write(true).open(path));
        soon(open).await.unwrap().unwrap()
    }
}
