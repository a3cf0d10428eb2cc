//! Service of the worker whose errors the guides show.

use std::collections::BTreeMap;
use std::fmt;

use isolated_workers::service;
use isolated_workers::service::Context;
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
    async fn sum(&self, numbers: Vec<i64>) -> i64;
    /// Panics if the number has no root.
    async fn root(&self, number: i64) -> i64;
    /// Products by their factors. JSON cannot represent these keys.
    async fn table(&self) -> BTreeMap<(i64, i64), i64>;
    /// Never returns.
    async fn pi(&self);
    #[message(timeout = "50ms")]
    async fn pi_soon(&self);
    /// Blocks the runtime forever.
    async fn brood(&self);
    /// Asks the host to add two numbers.
    async fn delegate(&self, context: Context) -> i64;
    /// Ends the process.
    async fn exit(&self, code: i32);
    /// Ends every process that runs it.
    #[message(retry = 1)]
    async fn halt(&self);
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum DivideError {
    ByZero,
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByZero => f.write_str("division by zero"),
        }
    }
}
