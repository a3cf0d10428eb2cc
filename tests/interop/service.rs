//! Service of the interoperability tests. `worker.rs` and `worker.mjs` both serve it.

use futures_util::Stream;
use isolated_workers::service;
use isolated_workers::service::Streaming;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Interop {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, text: String) -> String;
    /// Takes no arguments and returns nothing.
    async fn nothing(&self);
    #[message(oneway)]
    async fn note(&self, line: String);
    async fn notes(&self) -> Vec<String>;
    /// Returns as soon as `calls` calls of this method are in flight.
    async fn gather(&self, calls: usize, number: usize) -> usize;
    async fn boom(&self) -> Result<(), Boom>;
    #[message(name = "getResult")]
    async fn get_result(&self) -> String;
    #[message(name = "fooError")]
    async fn foo_error(&self) -> String;
    async fn exit(&self, code: i32);
    /// Sends `count` texts of `size` times `ü`, and then an error if it `fails`.
    fn texts(&self, count: u32, size: usize, fails: bool) -> impl Stream<Item = Result<String, Boom>>;
    async fn total(&self, numbers: Streaming<u64>) -> u64;
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
    /// Sends numbers without an end.
    fn endless(&self) -> impl Stream<Item = u64>;
    /// Returns when a call of `endless` or `total` was cancelled.
    async fn wait_for_cancel(&self);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Boom {
    pub(crate) size: u32,
}

impl std::fmt::Display for Boom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a boom of size {}", self.size)
    }
}
