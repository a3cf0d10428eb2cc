//! Services whose workers describe themselves.

use std::collections::BTreeMap;

use futures_util::{Stream, stream};
use isolated_workers::service;
use isolated_workers::service::Streaming;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Page {
    pub(crate) number: u32,
    #[serde(default)]
    pub(crate) text: String,
    pub(crate) next: Option<Box<Page>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Refusal {
    Empty,
    TooLong { bytes: usize },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Computes.
///
/// In a worker.
#[service(schema)]
pub(crate) trait Calculator {
    /// Adds two numbers.
    #[message(idempotent, timeout = "1500ms")]
    async fn add(&self, a: i64, b: Option<i64>) -> i64;
    /// Checks a page.
    async fn check(&self, page: Page) -> Result<Page, Refusal>;
    #[message(oneway)]
    async fn log(&self, line: String);
    #[message(blocking)]
    fn compute(&self, #[serde(default)] rounds: u32) -> BTreeMap<String, u32>;
    fn count(&self, to: u32) -> impl Stream<Item = Result<u32, Refusal>>;
    async fn sum(&self, name: String, numbers: Streaming<u32>) -> u64;
}

/// A service whose types have no schema.
#[service]
pub(crate) trait Plain {
    #[message(name = "say")]
    async fn tell(&self, words: Vec<String>) -> String;
    fn count(&self, to: u32) -> impl Stream<Item = u32>;
}

pub(crate) struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: Option<i64>) -> i64 {
        a + b.unwrap_or_default()
    }

    async fn check(&self, page: Page) -> Result<Page, Refusal> {
        if page.text.is_empty() { Err(Refusal::Empty) } else { Ok(page) }
    }

    async fn log(&self, _: String) {}

    fn compute(&self, rounds: u32) -> BTreeMap<String, u32> {
        BTreeMap::from([("rounds".to_owned(), rounds)])
    }

    fn count(&self, to: u32) -> impl Stream<Item = Result<u32, Refusal>> {
        stream::iter((0..to).map(Ok))
    }

    async fn sum(&self, _: String, mut numbers: Streaming<u32>) -> u64 {
        let mut sum = 0;
        while let Some(Ok(number)) = numbers.next().await {
            sum += u64::from(number);
        }
        sum
    }
}

pub(crate) struct MyPlain;

impl Plain for MyPlain {
    async fn tell(&self, words: Vec<String>) -> String {
        words.join(" ")
    }

    fn count(&self, to: u32) -> impl Stream<Item = u32> {
        stream::iter(0..to)
    }
}
