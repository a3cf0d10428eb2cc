//! Services of the tests of the clients in Python and Node.js. Each language serves `Peer` in its
//! worker, and `PeerHost` in its host.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::Stream;
use isolated_workers::service;
use isolated_workers::service::{Context, Streaming};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Service of the worker.
#[service]
pub(crate) trait Peer {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Same as `add`. In other languages, on a thread.
    async fn add_blocking(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, text: String) -> String;
    async fn value(&self, value: Option<Value>) -> Option<Value>;
    async fn invert(&self, content: Bytes) -> Bytes;
    /// Prints a line.
    async fn nothing(&self);
    #[message(oneway)]
    async fn note(&self, line: String);
    async fn notes(&self) -> Vec<String>;
    async fn clear(&self);
    async fn wait_for_note(&self, line: String) -> Vec<String>;
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
    fn countdown(&self, start: u32) -> impl Stream<Item = u32>;
    async fn total(&self, numbers: Streaming<i64>) -> i64;
    async fn total_blocking(&self, numbers: Streaming<i64>) -> i64;
    fn double(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64>;
    /// Sends numbers without an end.
    fn endless(&self) -> impl Stream<Item = u64>;
    /// Returns when a call of `endless`, `hang` or `total` was cancelled.
    async fn wait_for_cancel(&self);
    async fn hang(&self);
    async fn hang_with_items(&self, items: Streaming<Value>);
    async fn first(&self, items: Streaming<Value>) -> Value;
    async fn count_items(&self, items: Streaming<Option<Value>>) -> u32;
    async fn long(&self, size: usize) -> String;
    async fn unsendable(&self) -> Unsendable;
    async fn wait(&self, ms: u64) -> String;
    async fn about(&self, context: Context) -> About;
    /// Calls its host for each part, and returns the sum of the answers.
    async fn ask(&self, context: Context, parts: i64) -> Result<i64, String>;
    async fn ask_blocking(&self, context: Context, parts: i64) -> Result<i64, String>;
    async fn ask_stream(&self, context: Context, count: i64) -> Result<i64, String>;
    async fn ask_forever(&self, context: Context) -> Result<(), String>;
    /// Appends the id to the file that the variable `JOURNAL` names.
    async fn run(&self, id: u64) -> u64;
    async fn started(&self) -> Option<Value>;
}

/// Service of the host.
#[service]
pub(crate) trait PeerHost {
    async fn step(&self, done: i64, of: i64) -> i64;
    /// Sends the numbers below `count`.
    fn numbers(&self, count: i64) -> impl Stream<Item = i64>;
    async fn never(&self);
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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) has_deadline: bool,
    pub(crate) is_short: bool,
}

/// Value that no codec can encode.
#[derive(Debug)]
pub(crate) struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it cannot be sent"))
    }
}

impl<'de> Deserialize<'de> for Unsendable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}
