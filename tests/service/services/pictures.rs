use std::fs::OpenOptions;
use std::io::Write;

use bytes::Bytes;
use isolated_workers::codec::zero_copy_bytes;
use isolated_workers::service;
use serde::{Deserialize, Serialize};

/// Struct with `Bytes` fields, as part of messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Album {
    #[serde(with = "zero_copy_bytes")]
    pub(crate) first: Bytes,
    pub(crate) title: String,
    #[serde(with = "zero_copy_bytes")]
    pub(crate) second: Bytes,
}

/// Service with large `Bytes`, which are sent without copies.
#[service(derive(Debug, PartialEq))]
pub(crate) trait Pictures {
    async fn echo(&self, data: Bytes) -> Bytes;
    async fn album(&self, first: bytes::Bytes, title: String, second: ::bytes::Bytes) -> Album;
    /// Swaps the album's two pictures.
    async fn turned(&self, album: Album) -> Result<Album, String>;
    /// Keeps `data`, and returns the data of earlier calls.
    async fn keep(&self, data: Bytes) -> Vec<Bytes>;
    /// If there is no file at `path`, creates one and ends the worker.
    #[message(retry = 3)]
    async fn echo_the_second_time(&self, path: String, data: Bytes) -> Bytes;
}

#[derive(Default)]
pub(crate) struct Gallery {
    kept: std::sync::Mutex<Vec<Bytes>>,
}

impl Pictures for Gallery {
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }
    async fn album(&self, first: Bytes, title: String, second: Bytes) -> Album {
        Album { first, title, second }
    }
    async fn turned(&self, album: Album) -> Result<Album, String> {
        Ok(Album { first: album.second, second: album.first, ..album })
    }
    async fn keep(&self, data: Bytes) -> Vec<Bytes> {
        let mut kept = self.kept.lock().unwrap();
        let before = kept.clone();
        kept.push(data);
        before
    }
    async fn echo_the_second_time(&self, path: String, data: Bytes) -> Bytes {
        if let Ok(mut file) = OpenOptions::new().create_new(true).write(true).open(path) {
            file.write_all(b"once").unwrap();
            std::process::abort();
        }
        data
    }
}

/// A type named `Bytes` that is not `bytes::Bytes`.
pub(crate) mod volumes {
    use isolated_workers::service;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Bytes {
        pub(crate) count: u64,
    }

    #[service]
    pub(crate) trait Volumes {
        async fn twice(&self, volume: Bytes) -> Bytes;
    }

    pub(crate) struct Adding;

    impl Volumes for Adding {
        async fn twice(&self, volume: Bytes) -> Bytes {
            Bytes { count: 2 * volume.count }
        }
    }
}
