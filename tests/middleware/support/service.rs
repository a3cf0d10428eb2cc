//! What host and worker agree on.

use isolated_workers::{Context, service};

#[service(derive(Debug))]
pub(crate) trait Desk {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// The keys and values that the handler sees, and those of the call itself.
    #[message(timeout = "60s", retry = 2)]
    async fn describe(&self, context: Context, key: String) -> Described;
    /// Hangs in a thread's stead: `given_up` tells how many of these the handler has seen given up.
    async fn hang(&self, context: Context);
    async fn given_up(&self) -> u32;
    #[message(oneway, timeout = "1ms")]
    async fn note(&self);
    /// How many notes were taken.
    async fn noted(&self) -> u32;
    async fn fail(&self) -> Result<(), String>;
    async fn panic(&self);
    /// How many calls of `describe` have begun.
    async fn described(&self) -> u32;
    /// What the worker has written down: its spans, or its metrics.
    async fn written(&self) -> Vec<String>;
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) keys: Vec<String>,
    pub(crate) attempt: u32,
    /// What is left of the time, in milliseconds.
    pub(crate) left: Option<u64>,
    pub(crate) peer: Option<u32>,
    pub(crate) has_id: bool,
}
