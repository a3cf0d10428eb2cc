//! Services of the worker and of its host, and the implementation of the worker's.

use std::fmt;

use futures_util::{Stream, StreamExt, stream};
use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::{Context, Streaming};
use serde::{Deserialize, Serialize};

#[service]
pub(crate) trait Numbers {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn divide(&self, a: u64, b: u64) -> Result<u64, Failed>;
    async fn bytes(&self, bytes: Vec<u8>) -> Vec<u8>;
    async fn abort(&self);
    #[message(timeout = "50ms")]
    async fn hang_briefly(&self);
    /// Divides 100 by each number. The first zero ends the stream.
    fn divide_each(&self, by: Vec<u64>) -> impl Stream<Item = Result<u64, Failed>>;
    /// Counts without end.
    fn count(&self) -> impl Stream<Item = u64>;
    async fn sum(&self, start: u64, numbers: Streaming<u64>) -> Result<u64, Failed>;
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Failed>>;
    /// Calls `add` of the host.
    async fn ask(&self, context: Context) -> Result<u64, Failed>;
    /// Calls `add_blocking` of the host.
    #[message(blocking)]
    fn ask_blocking(&self, context: Context) -> Result<u64, Failed>;
}

#[service]
pub(crate) trait Desk {
    async fn add(&self) -> Result<u64, Failed>;
    #[message(blocking)]
    fn add_blocking(&self) -> Result<u64, Failed>;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed(pub(crate) String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(format!("{} {error:#}", error.kind().code()))
    }
}

impl From<CallError<Failed>> for Failed {
    fn from(error: CallError<Failed>) -> Self {
        match error {
            CallError::Service(failed) => failed,
            CallError::Call(error) => error.into(),
        }
    }
}

pub(crate) struct Calculator;

impl Numbers for Calculator {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    async fn divide(&self, a: u64, b: u64) -> Result<u64, Failed> {
        a.checked_div(b).ok_or_else(|| Failed("division by zero".into()))
    }

    async fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    async fn abort(&self) {
        std::process::abort()
    }

    async fn hang_briefly(&self) {
        std::future::pending().await
    }

    fn divide_each(&self, by: Vec<u64>) -> impl Stream<Item = Result<u64, Failed>> {
        let divide = |by| 100_u64.checked_div(by).ok_or_else(|| Failed("division by zero".into()));
        stream::iter(by).map(divide)
    }

    fn count(&self) -> impl Stream<Item = u64> {
        stream::iter(0..)
    }

    async fn sum(&self, start: u64, mut numbers: Streaming<u64>) -> Result<u64, Failed> {
        let mut sum = start;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    }

    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, Failed>> {
        numbers.map(|number| Ok(2 * number?))
    }

    async fn ask(&self, context: Context) -> Result<u64, Failed> {
        Ok(DeskClient::new(context.host::<Json>()?).add().await?)
    }

    fn ask_blocking(&self, context: Context) -> Result<u64, Failed> {
        Ok(context.block_on(DeskClient::new(context.host::<Json>()?).add_blocking())?)
    }
}
