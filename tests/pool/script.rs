//! Program that tests can change while its workers run.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::WORKER;

/// Shell script that executes the worker.
pub(crate) struct Script(TempDir);

impl Script {
    /// Creates a script whose workers have this version.
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
