//! The service of the workers that these tests start.

use isolated_workers::service;

#[service]
pub(crate) trait Jobs {
    async fn pid(&self) -> u32;
    async fn echo(&self, number: u64) -> u64;
    /// Connects to the socket at `path`, says `name`, and returns when that is closed.
    async fn hold(&self, path: String, name: String) -> u32;
    /// The same, and can be run again.
    #[message(retry = 3)]
    async fn hold_again(&self, path: String, name: String) -> u32;
    /// Adds a line to the file, which counts the runs.
    async fn once(&self, path: String, number: u64) -> u64;
    /// The same, and can be run as often as it takes.
    #[message(retry = 1000)]
    async fn again(&self, path: String, number: u64) -> u64;
    async fn abort(&self);
    /// Ends every worker that runs it.
    #[message(retry = 2)]
    async fn poison(&self, path: String) -> u64;
    /// Exits with code 0.
    async fn exit(&self);
    #[message(timeout = "200ms")]
    async fn spin(&self);
    /// Takes so much memory and keeps it.
    async fn grow(&self, bytes: usize);
    /// What the program was started with.
    async fn version(&self) -> String;
}
