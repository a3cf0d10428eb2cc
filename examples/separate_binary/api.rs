//! The service. In a real project, a library crate that host and worker depend on.

use isolated_workers::service;

#[service]
pub(crate) trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Aborts the process, as a bug in the worker could.
    async fn crash(&self);
}
