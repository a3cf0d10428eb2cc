//! The service of a worker that gets and gives open files.

use std::collections::HashMap;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::OwnedFd;

use futures_util::{Stream, StreamExt, stream};
use isolated_workers::codec::Fd;
use isolated_workers::prelude::*;
use isolated_workers::service::Streaming;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Files {
    /// Reads a file to its end.
    async fn read(&self, file: Fd) -> String;
    /// Reads several files, which are fields of a value.
    async fn read_all(&self, folder: Folder) -> Vec<String>;
    /// Returns a file with this text.
    async fn open(&self, text: String) -> Fd;
    /// Returns this number of files, whose texts are their numbers.
    fn open_each(&self, count: u32) -> impl Stream<Item = Fd>;
    /// Reads each file of a stream.
    async fn read_each(&self, files: Streaming<Fd>) -> Vec<String>;
    /// Returns `true` if the descriptor is close-on-exec.
    async fn is_cloexec(&self, file: Fd) -> bool;
    /// Does not use its files.
    async fn ignore(&self, files: Vec<Fd>);
    /// Number of open descriptors of this process.
    async fn count(&self) -> usize;
    /// Kills this process, which has the file.
    async fn die(&self, file: Fd);
    #[message(idempotent)]
    async fn die_again(&self, file: Fd);
    /// Returns an error whose value has a descriptor.
    async fn fail(&self) -> Result<(), Open>;
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Opens a file by its path.
    async fn steal(&self, path: String) -> Result<String, String>;
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Folder {
    pub(crate) name: String,
    pub(crate) files: HashMap<u32, Fd>,
    pub(crate) more: Option<Fd>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Open(pub(crate) Fd);

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is open")
    }
}

/// Returns a file with this text, which is as large as a pipe at most.
pub(crate) fn file(text: &str) -> Fd {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    reader.into()
}

pub(crate) fn text(file: Fd) -> String {
    let mut text = String::new();
    PipeReader::from(file).read_to_string(&mut text).unwrap();
    text
}

/// Number of open descriptors of this process.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) struct Desk;

impl Files for Desk {
    async fn read(&self, file: Fd) -> String {
        text(file)
    }

    async fn read_all(&self, folder: Folder) -> Vec<String> {
        let mut files: Vec<_> = folder.files.into_iter().collect();
        files.sort_by_key(|(number, _)| *number);
        let texts = files.into_iter().map(|(_, file)| text(file)).chain(folder.more.map(text));
        [folder.name].into_iter().chain(texts).collect()
    }

    async fn open(&self, text: String) -> Fd {
        file(&text)
    }

    fn open_each(&self, count: u32) -> impl Stream<Item = Fd> {
        stream::iter(0..count).map(|number| file(&number.to_string()))
    }

    async fn read_each(&self, files: Streaming<Fd>) -> Vec<String> {
        files.map(|file| text(file.unwrap())).collect().await
    }

    async fn is_cloexec(&self, file: Fd) -> bool {
        let flags = rustix::io::fcntl_getfd(OwnedFd::from(file)).unwrap();
        flags.contains(rustix::io::FdFlags::CLOEXEC)
    }

    async fn ignore(&self, _: Vec<Fd>) {}

    async fn count(&self) -> usize {
        open_descriptors()
    }

    async fn die(&self, _: Fd) {
        std::process::abort()
    }

    async fn die_again(&self, _: Fd) {
        std::process::abort()
    }

    async fn fail(&self) -> Result<(), Open> {
        Err(Open(file("")))
    }

    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn steal(&self, path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}
