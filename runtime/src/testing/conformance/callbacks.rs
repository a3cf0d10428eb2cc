//! Cases about a worker that calls its host. It plays [`SuiteRole::CallBack`], and the host serves
//! what workers serve in the other cases.

use std::pin::pin;

use futures_util::future::join_all;
use isolated_workers_codec::Codec;
use isolated_workers_core::{CallError, ErrorKind, Executed};
use isolated_workers_middleware::{Service, ServiceExt};
use isolated_workers_transport::{Reconnect, Transport};

use super::callback_service::CallHost;
use super::stream_service::service;
use super::{Suite, SuiteRole, Verdict, ensure, equal, failure, poll_once, within};
use crate::{Driver, Link, Worker};

async fn started<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict<Worker<Link<C>, T, D>>
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::CallBack).serve(service());
    Ok(within("the start of a worker", builder.spawn()).await??)
}

/// Makes a call whose handler calls this host.
async fn call(worker: &impl Service, call: CallHost) -> Verdict<String> {
    Ok(within("a call with a callback", worker.send(call)).await??)
}

/// Waits until this number of callbacks waits in the host.
async fn waiting(worker: &impl Service, callbacks: usize) -> Verdict {
    let asked = async {
        while call(worker, CallHost::Waiting).await? != callbacks.to_string() {}
        Ok(())
    };
    within(&format!("the wait for {callbacks} callbacks to wait in the host"), asked).await?
}

pub(super) async fn callbacks<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    equal("a callback", call(&worker, CallHost::Echo("hello".into())).await?, "hello".into())?;
    equal("a callback", call(&worker, CallHost::Divide(7, 2)).await?, "3".into())?;
    match within("a callback that its handler refuses", worker.send(CallHost::Divide(1, 0))).await? {
        Err(CallError::Service(error)) => {
            ensure(error.contains("the quotient is undefined"), || {
                format!("the handler's own error: {error}")
            })?;
        }
        other => ensure(false, || format!("expected the handler's own error, got {other:?}"))?,
    }
    equal("the parent of a call", call(&worker, CallHost::Parent).await?, "None".into())?;
    for text in ["a", "b", "c"] {
        call(&worker, CallHost::Note(text.into())).await?;
    }
    equal("oneway callbacks", call(&worker, CallHost::Notes).await?, r#"["a", "b", "c"]"#.into())?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn callbacks_in_flight<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    // More than a host takes from its worker at once: the others wait in the worker.
    const CALLS: u32 = 200;
    let worker = started(suite).await?;
    let gate = async |key| worker.send(CallHost::Gate(key)).await;
    let gates = join_all((0..50).map(gate));
    let open = async {
        waiting(&worker, 50).await?;
        call(&worker, CallHost::OpenGates).await
    };
    let (gates, opened) = tokio::join!(within("50 callbacks that wait", gates), open);
    opened?;
    for (key, gate) in gates?.into_iter().enumerate() {
        equal("the answer of a callback", gate?, key.to_string())?;
    }
    let calls = join_all((0..CALLS).map(|_| worker.send(CallHost::Mirror(2 << 10))));
    for back in within("200 callbacks of 2 KiB", calls).await? {
        equal("the body of a callback", back?, "true".into())?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn callbacks_end_with_their_call<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    let mut calls: Vec<_> = (0..20).map(|_| Box::pin(worker.send(CallHost::Wait))).collect();
    for call in &mut calls {
        ensure(poll_once(call.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
    }
    waiting(&worker, 20).await?;
    drop(calls);
    waiting(&worker, 0).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn callbacks_while_draining<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    let mut gate = pin!(worker.send(CallHost::Gate(1)));
    ensure(poll_once(gate.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
    waiting(&worker, 1).await?;
    let late = worker.send(CallHost::Mirror(100 << 10));
    let opener = worker.send(CallHost::OpenGates);
    let drained = async {
        let mut drain = pin!(worker.drain());
        let early = poll_once(drain.as_mut()).await;
        ensure(early.is_pending(), || format!("drained while a callback waited: {early:?}"))?;
        Ok(within("draining", drain).await??)
    };
    // These calls are made before the worker is drained, and their callbacks afterwards.
    let (late, opened, gate, drained): (_, _, _, Verdict) = tokio::join!(
        within("a large callback while the worker drains", late),
        within("a callback while the worker drains", opener),
        within("a callback in flight while the worker drains", gate),
        drained
    );
    drained?;
    equal("a large callback", late??, "true".into())?;
    opened??;
    equal("a callback in flight", gate??, "1".into())
}

pub(super) async fn callbacks_of_a_killed_worker<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite).await?;
    let mut wait = pin!(worker.send(CallHost::Wait));
    ensure(poll_once(wait.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
    waiting(&worker, 1).await?;
    worker.kill();
    within("the wait for the end", worker.closed()).await?;
    let error = failure("a call of a killed worker", within("the call of a killed worker", wait).await?)?;
    ensure(error.executed() != Executed::Yes, || format!("the call of a killed worker: {error:#}"))
}

pub(super) async fn reconnect<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Reconnect,
{
    let worker = started(suite).await?;
    for _ in 0..3 {
        equal("a callback", call(&worker, CallHost::Echo("hello".into())).await?, "hello".into())?;
        let wait = worker.send(CallHost::Wait);
        let disconnect = async {
            waiting(&worker, 1).await?;
            Ok(within("disconnecting", worker.disconnect()).await??)
        };
        let (wait, disconnected): (_, Verdict) = tokio::join!(within("a call in flight", wait), disconnect);
        disconnected?;
        equal("a call in flight", failure("a call in flight", wait?)?.kind(), ErrorKind::Closed)?;
        within("reconnecting", worker.reconnect()).await??;
        waiting(&worker, 0).await?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn callbacks_without_a_service<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = within("the start of a worker", suite.builder(SuiteRole::CallBack).spawn()).await??;
    match within("a callback to a host that serves nothing", worker.send(CallHost::Notes)).await? {
        Err(CallError::Service(error)) => {
            let kind = format!("{:?}: ", ErrorKind::Config);
            ensure(error.starts_with(&kind) && error.contains("the host serves nothing"), || {
                format!("the error of a callback to a host that serves nothing: {error}")
            })?;
        }
        other => ensure(false, || format!("expected an error, got {other:?}"))?,
    }
    Ok(within("closing", worker.close()).await??)
}
