//! The service of the worker that these tests start.

use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Chores {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ByZero>;
    async fn echo(&self, text: String) -> String;
    /// Returns its number when a hundred of these calls are here at once.
    async fn meet(&self, number: u32) -> u32;
    /// How often this was called.
    async fn count(&self) -> u32;
    async fn print(&self, text: String);
    async fn exit(&self, code: i32);
    async fn abort(&self);
    /// Connects to this port of the machine, until the process ends.
    async fn hold(&self, port: u16);
    /// Does the same, and never returns to the runtime.
    async fn hold_and_spin(&self, port: u16);
    /// Starts a process that connects there and returns what it is sent, until the other side ends that.
    async fn start_child(&self, port: u16) -> u32;
    /// Whether this process believes to be a worker, and whether one that it starts does.
    async fn is_worker(&self) -> (bool, bool);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ByZero;

impl std::fmt::Display for ByZero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("division by zero")
    }
}
