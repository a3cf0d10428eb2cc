//! A worker whose services say their types, for the tests of `iw types`.

#![allow(missing_docs)]

use std::collections::BTreeMap;

use futures_util::{Stream, stream};
use isolated_workers::prelude::*;
use isolated_workers::service::{Router, Streaming};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of a book.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Page {
    number: u32,
    #[serde(default)]
    text: String,
    next: Option<Box<Page>>,
    #[serde(rename = "class")]
    style: Style,
    marks: BTreeMap<String, (u8, f64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
enum Style {
    Plain,
    Bold,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
enum Shape {
    Empty,
    Circle { radius: f64 },
    Label(String),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Refusal {
    Empty,
    TooLong { bytes: usize },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Prints "pages".
///
/// On paper.
#[service(schema)]
trait Printer {
    /// Returns the page as it was printed.
    async fn print(&self, page: Page) -> Result<Page, Refusal>;
    async fn shapes(&self, shapes: Vec<Shape>) -> Vec<Shape>;
    async fn double(&self, number: i64) -> i64;
    #[message(oneway)]
    async fn log(&self, line: String);
    async fn clear(&self);
    fn count(&self, to: u32) -> impl Stream<Item = Result<u32, Refusal>>;
    async fn sum(&self, class: String, numbers: Streaming<u32>, #[serde(default)] timeout: u32) -> String;
}

#[service(schema)]
trait Journal {
    /// Number of entries.
    async fn entries(&self) -> u64;
}

struct MyPrinter;

impl Printer for MyPrinter {
    async fn print(&self, page: Page) -> Result<Page, Refusal> {
        match page.text.len() {
            0 => Err(Refusal::Empty),
            bytes @ 100.. => Err(Refusal::TooLong { bytes }),
            _ => Ok(page),
        }
    }

    async fn shapes(&self, shapes: Vec<Shape>) -> Vec<Shape> {
        shapes
    }

    async fn double(&self, number: i64) -> i64 {
        2 * number
    }

    async fn log(&self, _: String) {}

    async fn clear(&self) {}

    fn count(&self, to: u32) -> impl Stream<Item = Result<u32, Refusal>> {
        stream::iter((0..to).map(Ok))
    }

    async fn sum(&self, class: String, mut numbers: Streaming<u32>, timeout: u32) -> String {
        let mut sum = timeout;
        while let Some(Ok(number)) = numbers.next().await {
            sum += number;
        }
        format!("{class} {sum}")
    }
}

struct MyJournal;

impl Journal for MyJournal {
    async fn entries(&self) -> u64 {
        7
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let services = Router::new().add(MyPrinter.into_service()).add(MyJournal.into_service());
    serve(services).describe(true).await
}
