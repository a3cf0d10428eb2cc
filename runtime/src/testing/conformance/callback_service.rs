//! Service of a worker that calls its host, which serves what workers serve in most cases.

use std::fmt::Debug;
use std::marker::PhantomData;

use futures_util::stream::{Stream, StreamExt, TryStreamExt, iter};
use isolated_workers_codec::Codec;
use isolated_workers_core::{
    CallError, Error, Message, ReplyStream, Request, RequestStream, Response, Schema,
};
use isolated_workers_middleware::{Context, Handler, HostService, ServiceExt, client, handler, streaming};
use serde::{Deserialize, Serialize};

use super::second_service;
use super::service::{
    Divide, DivideError, Echo, Gate, Mirror, Note, Notes, OpenGates, SCHEMA, SERVICE, Wait, Waiting, message,
};
use super::stream_service::{Count, Quotients, SumFirst};

/// Call that the worker makes to its host before it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum CallHost {
    Echo(String),
    /// `Echo` of the second service of the host.
    EchoOfSecond(String),
    Divide(i64, i64),
    Mirror(usize),
    Note(String),
    Notes,
    Wait,
    Waiting,
    Gate(u32),
    OpenGates,
    /// Takes this number of items.
    Count(u64),
    /// Sends the numbers below this one.
    Sum(usize),
    /// No call: whether the call that the host makes is a callback.
    Parent,
}

impl Message for CallHost {
    const NAME: &'static str = "CallHost";
    const SERVICE: Option<&'static Schema> = Some(&SERVICE);
    /// Answer of the host as text.
    type Reply = String;
    /// Error of the callback.
    type Error = String;
}

message!(
    /// Like `Quotients`, which the host computes: the divisors pass through the worker, and so do
    /// the quotients.
    RelayQuotients { dividend: i64 } -> (), String
);

impl RequestStream for RelayQuotients {
    type Item = i64;
}

impl ReplyStream for RelayQuotients {
    type Item = i64;
}

/// Handler of a worker that calls its host, with the codec `C`.
pub(super) struct CallBackHandler<C>(PhantomData<fn() -> C>);

impl<C> CallBackHandler<C> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<C: Codec> Handler for CallBackHandler<C> {
    const SCHEMA: Schema = SCHEMA;

    async fn handle<L: Codec>(&self, codec: &L, request: Request) -> Result<Response, Error> {
        match request.name() {
            CallHost::NAME => handler::respond_in_context(codec, request, call_host::<C>).await,
            RelayQuotients::NAME => {
                let divisors = streaming::streaming::<RelayQuotients, L>(codec, &request);
                streaming::respond_stream_in_context(
                    codec,
                    request,
                    |context, RelayQuotients { dividend }| relay_quotients::<C>(context, dividend, divisors),
                )
                .await
            }
            _ => Err(handler::unknown_message(&SCHEMA, &request)),
        }
    }
}

async fn call_host<C: Codec>(context: Context, call: CallHost) -> Result<String, String> {
    let host = context.host::<C>().map_err(text)?;
    match call {
        CallHost::Echo(text) => host.send(Echo { text }).await.map_err(self::text),
        CallHost::EchoOfSecond(text) => answer(&host, second_service::Echo { text }).await,
        CallHost::Divide(a, b) => answer(&host, Divide { a, b }).await,
        CallHost::Mirror(bytes) => {
            let bytes = vec![7; bytes];
            let back = host.send(Mirror { bytes: bytes.clone() }).await.map_err(text)?;
            Ok((back == bytes).to_string())
        }
        CallHost::Note(text) => answer(&host, Note { text }).await,
        CallHost::Notes => answer(&host, Notes {}).await,
        CallHost::Wait => answer(&host, Wait {}).await,
        CallHost::Waiting => answer(&host, Waiting {}).await,
        CallHost::Gate(key) => answer(&host, Gate { key }).await,
        CallHost::OpenGates => answer(&host, OpenGates {}).await,
        CallHost::Count(end) => {
            let count = client::stream::<_, _, Error>(&host, Count { end });
            let numbers: Vec<_> = count.try_collect().await.map_err(text)?;
            Ok(numbers.into_iter().eq(0..end).to_string())
        }
        CallHost::Sum(count) => {
            let numbers = iter(0..).take(count);
            let sum = client::send_items::<_, _, CallError<String>, _>(&host, SumFirst { count }, numbers);
            sum.await.map(|sum| sum.to_string()).map_err(text)
        }
        CallHost::Parent => Ok(format!("{:?}", context.parent())),
    }
}

fn relay_quotients<C: Codec>(
    context: Context,
    dividend: i64,
    divisors: streaming::Streaming<i64>,
) -> impl Stream<Item = Result<i64, String>> {
    streaming::relay(async move |out| {
        let host = context.host::<C>().map_err(text)?;
        // The callback ends early if the call does.
        let divisors = divisors.filter_map(|divisor| std::future::ready(divisor.ok()));
        let quotients =
            client::stream_items::<_, _, CallError<DivideError>>(&host, Quotients { dividend }, divisors);
        streaming::forward(quotients.map_err(text), out).await
    })
}

async fn answer<C, M>(host: &HostService<C>, message: M) -> Result<String, String>
where
    C: Codec,
    M: Message<Reply: Debug>,
    CallError<M::Error>: Into<Error>,
{
    host.send(message).await.map(|reply| format!("{reply:?}")).map_err(text)
}

fn text(error: impl Into<Error>) -> String {
    let error = error.into();
    format!("{:?}: {error:#}", error.kind())
}
