//! Service of the middleware worker.

use isolated_workers::service;
use isolated_workers::service::Context;

#[service(derive(Debug))]
pub(crate) trait Desk {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Returns what the handler sees of its call. `key` selects the metadata value.
    #[message(timeout = "60s", retry = 2)]
    async fn describe(&self, context: Context, key: String) -> Described;
    /// Never returns. `cancelled` counts the calls whose cancellation the handler has seen.
    async fn hang(&self, context: Context);
    async fn cancelled(&self) -> u32;
    /// Reads a named pipe to its end.
    #[message(blocking)]
    fn read(&self, path: String) -> String;
    #[message(oneway, timeout = "1ms")]
    async fn note(&self);
    /// Number of notes that were handled.
    async fn noted(&self) -> u32;
    async fn fail(&self) -> Result<(), String>;
    async fn panic(&self);
    /// Number of calls of `describe` that have begun.
    async fn described(&self) -> u32;
    /// Spans or metrics that the worker has recorded.
    async fn recorded(&self) -> Vec<String>;
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) keys: Vec<String>,
    pub(crate) attempt: u32,
    /// Time until the deadline, in milliseconds.
    pub(crate) remaining_ms: Option<u64>,
    pub(crate) peer: Option<u32>,
    pub(crate) has_id: bool,
}
