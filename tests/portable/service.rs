//! Service of the portable worker.

use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Chores {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ByZero>;
    async fn echo(&self, text: String) -> String;
    /// Returns `number` as soon as a hundred of these calls wait.
    async fn meet(&self, number: u32) -> u32;
    /// Number of calls of this method so far.
    async fn count(&self) -> u32;
    async fn print(&self, text: String);
    async fn exit(&self, code: i32);
    async fn abort(&self);
    /// Connects to the local port. The connection lasts until the process ends.
    async fn hold(&self, port: u16);
    /// Same as `hold`, but then blocks the runtime in a busy loop.
    async fn hold_and_spin(&self, port: u16);
    /// Starts a process that connects to the port and echoes bytes until the test closes the
    /// connection.
    async fn start_child(&self, port: u16) -> u32;
    /// Results of `is_worker` in this process and in a child of it.
    async fn is_worker(&self) -> (bool, bool);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ByZero;

impl std::fmt::Display for ByZero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("division by zero")
    }
}
