//! The service of the worker that these tests start: it does what it is told, and misbehaves when told.

use std::fmt;

use bytes::Bytes;
use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Faults {
    async fn echo(&self, data: Bytes) -> Bytes;
    /// Is answered by nobody, ever. Counted while it waits.
    async fn wait(&self);
    #[message(timeout = "50ms")]
    async fn wait_a_little(&self);
    /// How many `wait`s are waiting.
    async fn waiting(&self) -> usize;
    /// Returns when `release` is called with the same key.
    async fn gate(&self, key: u32) -> u32;
    /// Whether anybody was waiting there.
    async fn release(&self, key: u32) -> bool;
    #[message(oneway)]
    async fn note(&self, text: String);
    async fn notes(&self) -> Vec<String>;
    /// How many there are, and how many bytes.
    async fn noted(&self) -> (usize, usize);
    async fn spin(&self);
    /// Returns what JSON has no form for.
    async fn unspeakable(&self) -> std::collections::BTreeMap<(u8, u8), u8>;
    async fn exit(&self, code: i32);
    async fn abort(&self);
    async fn panic(&self, text: String);
    /// Kills this worker unless the file at `path` has `runs` lines already, one of which each run adds. Returns how
    /// many there are.
    #[message(retry = 2)]
    async fn die_at_first(&self, path: String, runs: usize) -> usize;
    /// The same for a message that leaves it to the worker how often it is run.
    #[message(idempotent)]
    async fn die_until(&self, path: String, runs: usize) -> usize;
    /// As `gate`, and can be run twice.
    #[message(idempotent)]
    async fn gate_again(&self, key: u32) -> u32;
    /// Stops this process, as Ctrl-Z would.
    async fn stop(&self);
    /// Counts up, and returns the new number.
    async fn count(&self) -> u32;
    /// Prints to standard output and error.
    async fn print(&self, text: String);
    /// Writes these bytes to standard output or error.
    async fn write(&self, to_error: bool, data: Bytes);
    /// Writes so many MiB without a line's end to standard output and error.
    async fn flood(&self, mebibytes: u32);
    /// Has the worker write so many bytes and then "the end" to standard output when it has served.
    async fn write_last(&self, bytes: usize);
    /// Has the worker's main thread panic, outside of all handlers. With `aborts`, it ends as a program does that is
    /// compiled for that.
    async fn fall(&self, text: String, aborts: bool);
    async fn arguments(&self) -> Vec<String>;
    async fn environment(&self) -> Vec<String>;
    async fn current_dir(&self) -> String;
    /// Closes its connection, and stops without ending.
    async fn hang_up(&self);
    /// Sends bytes that are no frame.
    async fn babble(&self);
    /// Starts a process that holds on to all that it inherits, and returns its id.
    async fn start_child(&self) -> u32;
    /// The same, in a process group of its own.
    async fn start_child_apart(&self) -> u32;
    /// What the open descriptors are, but for the standard streams.
    async fn descriptors(&self) -> Vec<String>;
    /// What there is to read from the standard input.
    async fn stdin(&self) -> String;
    /// Returns it, as its error where told to.
    async fn mirror(&self, tree: Tree, fail: bool) -> Result<Tree, Tree>;
    /// Whether this process takes itself for a worker, and whether a process that it starts does.
    async fn is_worker(&self) -> (bool, bool);
}

/// Takes two levels for each of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) branches: Vec<Tree>,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a tree with {} branches", self.branches.len())
    }
}
