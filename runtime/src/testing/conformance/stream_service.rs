//! Service of the worker under test: the messages of [`service`](super::service), and those with
//! streams.

use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_util::stream::{Stream, StreamExt, iter, pending};
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Message, Never, ReplyStream, Request, RequestStream, Response, Schema};
use isolated_workers_middleware::{Handler, handler, streaming};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

use super::service::{ConformanceHandler, DivideError, SCHEMA, SERVICE, divide, message};

message!(
    /// Answers with the numbers below `end`.
    Count { end: u64 } -> (), Never
);
message!(
    /// Answers with texts of these sizes.
    Texts { sizes: Vec<usize> } -> (), Never
);
message!(
    /// Takes texts, and returns the sizes of those that are as expected.
    TakeTexts {} -> Vec<usize>, Never
);
message!(
    /// Takes divisors, and answers with quotients. The first that is undefined ends them.
    Quotients { dividend: i64 } -> (), DivideError
);
message!(
    /// Takes numbers and returns the sum of the first ones. Leaves the others.
    SumFirst { count: usize } -> i64, String
);
message!(
    /// Answers with the numbers below `end`, and then waits.
    CountAndWait { end: u64 } -> (), Never
);
message!(
    /// Takes all numbers, but never returns.
    TakeAndWait {} -> (), Never
);
message!(
    /// Answers with numbers below `end`. After half of them, connects to a port, and waits until
    /// that connection ends.
    CountAfter { port: u16, end: u64 } -> (), Never
);

impl ReplyStream for Count {
    type Item = u64;
}

impl ReplyStream for Texts {
    type Item = String;
}

impl RequestStream for TakeTexts {
    type Item = String;
}

impl RequestStream for Quotients {
    type Item = i64;
}

impl ReplyStream for Quotients {
    type Item = i64;
}

impl RequestStream for SumFirst {
    type Item = i64;
}

impl ReplyStream for CountAndWait {
    type Item = u64;
}

impl RequestStream for TakeAndWait {
    type Item = i64;
}

impl ReplyStream for CountAfter {
    type Item = u64;
}

/// Returns a text of `size` bytes that differs for each `number`, and that hardly compresses.
pub(super) fn text(number: usize, size: usize) -> String {
    let mut state = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + (state >> 32) as u8 % 64)
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn ok<T>(item: T) -> Result<T, Never> {
    Ok(item)
}

async fn take_texts(mut texts: streaming::Streaming<String>) -> Result<Vec<usize>, Never> {
    let mut sizes = Vec::new();
    while let Some(Ok(taken)) = texts.next().await {
        if taken == text(sizes.len(), taken.len()) {
            sizes.push(taken.len());
        }
    }
    Ok(sizes)
}

async fn sum_first(mut numbers: streaming::Streaming<i64>, count: usize) -> Result<i64, String> {
    let mut sum = 0;
    for _ in 0..count {
        match numbers.next().await {
            Some(number) => sum += number.map_err(|error| error.to_string())?,
            None => return Err("too few numbers".into()),
        }
    }
    Ok(sum)
}

fn count_after(port: u16, end: u64) -> impl Stream<Item = Result<u64, Never>> {
    streaming::produce(async move |mut out: streaming::Emitter<u64>| {
        for number in 0..end {
            if number == end / 2 {
                let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                let _ = stream.expect("the suite listens on this port").read(&mut [0]).await;
            }
            if out.send(number).await.is_err() {
                break;
            }
        }
        Ok(())
    })
}

/// Returns the handler that the worker under test serves, with [`limits`](super::limits).
/// [`SuiteRole::play`](super::SuiteRole::play) serves it.
pub fn service() -> impl Handler {
    service_until_stopped().0
}

/// Returns the handler, and the event that `StopServing` and `Leave` notify.
pub(super) fn service_until_stopped() -> (impl Handler, Arc<Notify>) {
    let handler = ConformanceHandler::default();
    let stop = Arc::clone(&handler.stop);
    (StreamHandler(handler), stop)
}

/// Handler of all messages.
struct StreamHandler(ConformanceHandler);

impl Handler for StreamHandler {
    const SCHEMA: Schema = SCHEMA;

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        use handler::respond;
        use streaming::{respond_stream, streaming};
        match request.name() {
            Count::NAME => respond_stream(codec, request, |Count { end }| iter(0..end).map(ok)).await,
            Texts::NAME => {
                respond_stream(codec, request, |Texts { sizes }| {
                    iter(sizes.into_iter().enumerate()).map(|(number, size)| ok(text(number, size)))
                })
                .await
            }
            TakeTexts::NAME => {
                let texts = streaming::<TakeTexts, C>(codec, &request);
                respond(codec, request, async |TakeTexts {}| take_texts(texts).await).await
            }
            Quotients::NAME => {
                let divisors = streaming::<Quotients, C>(codec, &request);
                respond_stream(codec, request, |Quotients { dividend }| {
                    // The stream ends early if the call does.
                    let divisors = divisors.filter_map(|divisor| std::future::ready(divisor.ok()));
                    divisors.map(move |divisor| divide(dividend, divisor))
                })
                .await
            }
            SumFirst::NAME => {
                let numbers = streaming::<SumFirst, C>(codec, &request);
                respond(codec, request, async |SumFirst { count }| sum_first(numbers, count).await).await
            }
            CountAndWait::NAME => {
                let guard = self.0.waiting();
                respond_stream(codec, request, |CountAndWait { end }| {
                    iter(0..end).chain(pending()).map(move |number| {
                        let _waits = &guard;
                        ok(number)
                    })
                })
                .await
            }
            TakeAndWait::NAME => {
                let mut numbers = streaming::<TakeAndWait, C>(codec, &request);
                let _guard = self.0.waiting();
                respond(codec, request, async |TakeAndWait {}| {
                    while let Some(Ok(_)) = numbers.next().await {}
                    std::future::pending().await
                })
                .await
            }
            CountAfter::NAME => {
                respond_stream(codec, request, |CountAfter { port, end }| count_after(port, end)).await
            }
            _ => self.0.handle(codec, request).await,
        }
    }
}
