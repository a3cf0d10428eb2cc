//! The clients in Python and Node.js: frames compared with `clients/cases.json`, and each pair of
//! host and worker that has a side in Rust. `.ci/clients` runs the other pairs.
//!
//! A test whose interpreter is missing, or whose client is not built, prints that it is skipped, and
//! passes.

mod cases;
mod hosts;
mod interpreters;
mod kills;
mod service;
mod transports;
mod workers;

use std::path::PathBuf;

/// Program of the worker in Rust.
const WORKER: &str = env!("CARGO_BIN_EXE_clients-worker");

/// Path of a file in the folder `clients`.
fn file(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "clients", path].iter().collect()
}
