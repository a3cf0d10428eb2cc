//! Service of the workers in these tests.

use futures_util::Stream;
use isolated_workers::service;
use isolated_workers::service::{Context, Streaming};

#[service]
pub(crate) trait Jobs {
    async fn pid(&self) -> u32;
    async fn echo(&self, number: u64) -> u64;
    /// Connects to the socket at `path`, writes `name`, and returns when the test closes the
    /// connection.
    async fn hold(&self, path: String, name: String) -> u32;
    /// Same as `hold`, with retries.
    #[message(retry = 3)]
    async fn hold_again(&self, path: String, name: String) -> u32;
    /// Appends a line to the file at `path`, so that tests can count the runs.
    async fn once(&self, path: String, number: u64) -> u64;
    /// Same as `once`, with almost unlimited retries.
    #[message(retry = 1000)]
    async fn again(&self, path: String, number: u64) -> u64;
    /// Same as `once`, as a oneway message.
    #[message(oneway)]
    async fn note(&self, path: String, number: u64);
    /// Returns the length of `text`.
    async fn length(&self, text: String) -> usize;
    /// Same as `length`, as a oneway message.
    #[message(oneway)]
    async fn length_note(&self, text: String);
    /// Never ends and never awaits.
    #[message(oneway)]
    async fn spin_forever(&self);
    /// Writes the milliseconds that are left of its timeout to the file at `path`. The first time,
    /// it then waits for `millis`, and aborts.
    #[message(retry = 1, timeout = "25s")]
    async fn remaining(&self, context: Context, path: String, millis: u64) -> u64;
    /// Never ends.
    #[message(oneway)]
    async fn hold_forever(&self);
    /// Same as `hold`.
    #[message(oneway)]
    async fn hold_unanswered(&self, path: String, name: String);
    async fn abort(&self);
    /// Aborts every worker that runs it.
    #[message(retry = 2)]
    async fn poison(&self, path: String) -> u64;
    /// Exits with code 0.
    async fn exit(&self);
    #[message(timeout = "200ms")]
    async fn spin(&self);
    /// Connects like `hold`, and then never ends and never awaits.
    async fn hang(&self, path: String, name: String);
    /// Connects like `hold`, but blocks its thread.
    #[message(blocking)]
    fn block(&self, path: String, name: String) -> u32;
    /// Connects like `block`, and aborts when the test closes the connection.
    #[message(blocking)]
    fn block_and_abort(&self, path: String, name: String) -> u32;
    /// Same as `echo`, with the longest timeout that can be written.
    #[message(timeout = "18446744073709551615s")]
    async fn patient(&self, number: u64) -> u64;
    /// Allocates this number of bytes and never frees them.
    async fn grow(&self, bytes: usize);
    /// Keeps `number` in the worker. Returns all numbers that it has kept.
    async fn remember(&self, number: u64) -> Vec<u64>;
    /// Returns the first argument of the program.
    async fn version(&self) -> String;
    /// Sends the numbers below `before`, connects like `hold`, and sends `after` more when the test
    /// closes the connection.
    fn count(&self, path: String, name: String, before: u64, after: u64) -> impl Stream<Item = u64>;
    /// Same as `count`, with retries.
    #[message(retry = 3)]
    fn count_again(&self, path: String, name: String, before: u64, after: u64) -> impl Stream<Item = u64>;
    /// Takes a number, connects like `hold`, and adds the others when the test closes the
    /// connection.
    #[message(idempotent)]
    async fn sum(&self, path: String, name: String, numbers: Streaming<u64>) -> u64;
}
