use isolated_workers::prelude::*;

/// Worker that logs.
#[service]
pub(crate) trait Journal {
    /// Logs an event of each level.
    async fn levels(&self);
    /// Logs an event with a field of each type, in two spans of the worker.
    async fn fields(&self, number: u64, text: String);
    /// Logs a field of this many bytes.
    async fn large(&self, bytes: usize);
    /// Writes bytes to the standard error.
    async fn write(&self, bytes: Vec<u8>);
    /// Logs an event and waits until the call is cancelled.
    async fn wait(&self);
    /// Logs an event and aborts.
    async fn abort(&self);
}
