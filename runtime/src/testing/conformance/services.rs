//! Cases about a side that serves two services whose messages have the same names. The worker plays
//! [`SuiteRole::ServeTwo`], or [`SuiteRole::CallBack`] under a host with two services.

use futures_util::future::join_all;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Body, ErrorKind, Executed, Message, Name, Request};
use isolated_workers_middleware::{Service, ServiceExt};
use isolated_workers_transport::{Reconnect, Transport};

use super::callback_service::CallHost;
use super::second_service::{self as second, both_services};
use super::service::{Echo, Note, Notes};
use super::{Suite, SuiteRole, Verdict, equal, failure, within};
use crate::{Driver, Link, Worker};

async fn started<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict<Worker<Link<C>, T, D>>
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::ServeTwo).service(second::SCHEMA);
    Ok(within("the start of a worker", builder.spawn()).await??)
}

/// Makes concurrent calls of both services.
async fn calls(worker: &impl Service) -> Verdict {
    let calls = join_all((0..100_usize).map(async |number| {
        let text = "x".repeat(number);
        let first = Echo { text: text.clone() };
        let second = second::Echo { text };
        let (first, second) = (worker.send(first), worker.send(second));
        tokio::join!(first, second)
    }));
    for (number, (first, second)) in
        within("100 calls of both services", calls).await?.into_iter().enumerate()
    {
        equal("a call of the first service", first?, "x".repeat(number))?;
        equal("a call of the second service", second?, number)?;
    }
    Ok(())
}

pub(super) async fn services<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    calls(&worker).await?;
    for (text, number) in [("a", 3), ("b", 4)] {
        within("a oneway message of the first service", worker.send(Note { text: text.into() })).await??;
        within("a oneway message of the second service", worker.send(second::Note { number })).await??;
    }
    let notes = within("a call after oneway messages", worker.send(Notes {})).await??;
    equal("the oneway messages of the first service", notes, vec!["a".into(), "b".into()])?;
    let sum = within("a call after oneway messages", worker.send(second::Notes {})).await??;
    equal("the oneway messages of the second service", sum, 7)?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn default_service<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    let mut notes = Request::new(Name::from_static(Notes::NAME), Body::empty());
    worker.replace(&mut notes, &Notes {})?;
    let response = within("a request of no service", worker.call(notes.clone())).await??;
    equal("the answer of the first service", worker.decode_reply::<Notes>(&response)?, vec![])?;
    notes.set_service(second::SCHEMA.service());
    let response = within("a request that names its service", worker.call(notes)).await??;
    equal("the answer of the second service", worker.decode_reply::<second::Notes>(&response)?, 0)?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn missing_service<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let required = suite.builder(SuiteRole::Serve).service(second::SCHEMA).spawn();
    let refused = within("the start of a worker that lacks a service", required).await?;
    let refused = failure("a worker that lacks a service", refused.map(|_| ()))?;
    equal("the error of a worker that lacks a service", refused.kind(), ErrorKind::Handshake)?;

    let worker = suite.started().await?;
    let call = within("a call for a missing service", worker.send(second::Notes {})).await?;
    let error = failure("a call for a missing service", call)?;
    let found = (error.kind(), error.executed());
    equal("the error of a missing service", found, (ErrorKind::UnknownMessage, Executed::No))?;
    let notes = within("a call after that", worker.send(Notes {})).await??;
    equal("a call after that", notes, vec![])?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn services_of_the_host<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::CallBack).serve(both_services());
    let worker = within("the start of a worker", builder.spawn()).await??;
    let calls = join_all((0..100_usize).map(async |number| {
        let text = "x".repeat(number);
        let (first, second) = (CallHost::Echo(text.clone()), CallHost::EchoOfSecond(text));
        let (first, second) = (worker.send(first), worker.send(second));
        tokio::join!(first, second)
    }));
    for (number, (first, second)) in
        within("100 callbacks of both services", calls).await?.into_iter().enumerate()
    {
        equal("a callback of the first service", first?, "x".repeat(number))?;
        equal("a callback of the second service", second?, number.to_string())?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn reconnect<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Reconnect,
{
    let worker = started(suite).await?;
    for _ in 0..2 {
        calls(&worker).await?;
        within("disconnecting", worker.disconnect()).await??;
        within("reconnecting", worker.reconnect()).await??;
    }
    calls(&worker).await?;
    Ok(within("closing", worker.close()).await??)
}
