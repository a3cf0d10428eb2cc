//! Service whose methods work or misbehave on request.

use std::fmt;

use bytes::Bytes;
use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Faults {
    async fn echo(&self, data: Bytes) -> Bytes;
    /// Never returns. `waiting` counts the calls.
    async fn wait(&self);
    #[message(timeout = "50ms")]
    async fn wait_a_little(&self);
    /// Number of calls of `wait` and `wait_a_little` that are waiting.
    async fn waiting(&self) -> usize;
    /// Returns when `release` is called with the same key.
    async fn gate(&self, key: u32) -> u32;
    /// Opens a gate. Returns `true` if a call waited at it.
    async fn release(&self, key: u32) -> bool;
    #[message(oneway)]
    async fn note(&self, text: String);
    /// Never ends.
    #[message(oneway)]
    async fn note_forever(&self);
    async fn notes(&self) -> Vec<String>;
    /// Number of notes, and their bytes in total.
    async fn noted(&self) -> (usize, usize);
    /// Reads a named pipe to its end.
    #[message(blocking, timeout = "1s")]
    fn read_within_a_second(&self, path: String) -> String;
    /// Increments the counter of `count` after 5 ms.
    #[message(oneway)]
    async fn count_slowly(&self, text: String);
    /// Drops the runtime on which the worker serves. Is never answered.
    async fn drop_runtime(&self);
    /// Blocks the runtime in a busy loop.
    async fn spin(&self);
    /// Returns a value that JSON cannot represent.
    async fn unencodable(&self) -> std::collections::BTreeMap<(u8, u8), u8>;
    async fn exit(&self, code: i32);
    async fn abort(&self);
    async fn panic(&self, text: String);
    /// Adds a line to the file at `path`, and kills this process if the file has at most `runs`
    /// lines. Returns the number of lines.
    #[message(retry = 2)]
    async fn die_at_first(&self, path: String, runs: usize) -> usize;
    /// Same as `die_at_first`, but the crash policy decides on the retries.
    #[message(idempotent)]
    async fn die_until(&self, path: String, runs: usize) -> usize;
    /// Same as `gate`, but may run twice.
    #[message(idempotent)]
    async fn gate_again(&self, key: u32) -> u32;
    /// Stops this process with SIGSTOP.
    async fn stop(&self);
    /// Increments a counter, and returns the new number.
    async fn count(&self) -> u32;
    /// Prints to standard output and error.
    async fn print(&self, text: String);
    /// Writes these bytes to standard output or error.
    async fn write(&self, to_error: bool, data: Bytes);
    /// Writes a number of MiB without a line break to standard output and standard error.
    async fn flood(&self, mebibytes: u32);
    /// After `serve` has returned, the worker writes this many bytes and then "the end" to standard
    /// output.
    async fn write_last(&self, bytes: usize);
    /// Makes the worker's main thread panic outside all handlers. If `aborts` is set, the panic
    /// aborts, as with `panic = "abort"`.
    async fn panic_outside(&self, text: String, aborts: bool);
    async fn arguments(&self) -> Vec<String>;
    async fn environment(&self) -> Vec<String>;
    async fn current_dir(&self) -> String;
    /// Closes the connection, and then stops this process with SIGSTOP, without ending it.
    async fn hang_up(&self);
    /// Sends bytes that are not a frame.
    async fn send_garbage(&self);
    /// Runs a shell command. Returns its exit code and what it wrote to standard error.
    async fn shell(&self, command: String) -> (Option<i32>, String);
    /// Allocates memory of this size. Fails if the size exceeds a limit.
    async fn allocate(&self, bytes: usize);
    /// Starts a process that keeps all inherited descriptors open. Returns its id.
    async fn start_child(&self) -> u32;
    /// Same as `start_child`, in a new process group.
    async fn start_child_apart(&self) -> u32;
    /// Moves the worker's process to this process group.
    async fn join_group(&self, group: u32);
    /// Targets of the open descriptors except the standard streams.
    async fn descriptors(&self) -> Vec<String>;
    /// Reads standard input to its end.
    async fn stdin(&self) -> String;
    /// Returns the tree, as an error if `fail` is set.
    async fn mirror(&self, tree: Tree, fail: bool) -> Result<Tree, Tree>;
    /// Results of `is_worker` in this process and in a child of it.
    async fn is_worker(&self) -> (bool, bool);
}

/// Recursive value. Each of its levels takes two levels of nesting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) branches: Vec<Tree>,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a tree with {} branches", self.branches.len())
    }
}
