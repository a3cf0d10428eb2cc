//! What the tests of pools watch and steer calls with.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use isolated_workers::{Error, Service};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::WORKER;
use crate::jobs::JobsClient;
use crate::soon;

/// Where calls of `hold` come to, and wait until they are let go.
pub(crate) struct Stage {
    listener: UnixListener,
    folder: TempDir,
}

/// A call that is running. Dropping it lets it go.
pub(crate) struct Held {
    pub(crate) name: String,
    _stream: BufReader<UnixStream>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { listener: UnixListener::bind(folder.path().join("socket")).unwrap(), folder }
    }

    /// Makes a call that waits.
    pub(crate) fn hold<S: Service + 'static>(
        &self,
        service: S,
        name: &str,
    ) -> impl Future<Output = Result<u32, Error>> + Send + 'static {
        let (path, name) = (self.folder.path().join("socket").display().to_string(), name.to_owned());
        async move { JobsClient::new(service).hold(path, name).await }
    }

    /// The same with a message that can be run again.
    pub(crate) fn hold_again<S: Service + 'static>(
        &self,
        service: S,
        name: &str,
    ) -> impl Future<Output = Result<u32, Error>> + Send + 'static {
        let (path, name) = (self.folder.path().join("socket").display().to_string(), name.to_owned());
        async move { JobsClient::new(service).hold_again(path, name).await }
    }

    /// The next call that begins to run.
    pub(crate) async fn next(&self) -> Held {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut name = String::new();
        soon(stream.read_line(&mut name)).await.unwrap();
        Held { name: name.trim_end().to_owned(), _stream: stream }
    }
}

/// A program that can be changed while workers of it run: a script that becomes the worker.
pub(crate) struct Script(TempDir);

impl Script {
    /// One whose workers have this version.
    pub(crate) fn new(version: &str) -> Self {
        let script = Self(tempfile::tempdir().unwrap());
        script.set_version(version);
        script
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("worker")
    }

    pub(crate) fn set_version(&self, version: &str) {
        self.set(&format!("exec {WORKER} {version}"));
    }

    pub(crate) fn set(&self, text: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::rename(&new, self.path()).unwrap();
    }
}
