//! What host and worker agree on. In a project of your own, a library crate that both depend on.

use isolated_workers::service;

#[service]
pub(crate) trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Ends the process, as a bug in the worker would.
    async fn crash(&self);
}
