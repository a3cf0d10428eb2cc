//! Cases about calls with streams of items.

use std::net::Ipv4Addr;
use std::pin::pin;

use futures_util::future::join_all;
use futures_util::stream::{Stream, StreamExt, TryStreamExt, empty, iter, pending, poll_fn};
use isolated_workers_codec::Codec;
use isolated_workers_core::{CallError, Error, ErrorKind};
use isolated_workers_middleware::streaming::StreamingReply;
use isolated_workers_middleware::{Service, ServiceExt, client};
use isolated_workers_transport::{Reconnect, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::callback_service::{CallHost, RelayQuotients};
use super::calls::waiting;
use super::leave::{self, leave};
use super::service::{DivideError, Echo, StopServing};
use super::stream_service::{
    Count, CountAfter, CountAndWait, Quotients, SumFirst, TakeAndWait, TakeTexts, Texts, service, text,
};
use super::{Suite, SuiteRole, Unmet, Verdict, ensure, equal, failure, limits, poll_once, within};
use crate::{Driver, Timeouts};

/// Number of small items that exceed the credit of a stream.
const MANY: u64 = 5000;

/// Number of items for a transport on which each byte takes a system call.
const FEW: u64 = 200;

/// Frame limit of a host that takes no large items.
const SMALL_FRAME_BYTES: usize = 64 << 10;

/// Number of items of a long stream.
fn many<F, C, T>(suite: &Suite<F, C, T>) -> u64 {
    if suite.largest < SMALL_FRAME_BYTES { FEW } else { MANY }
}

fn count(worker: &impl Service, end: u64) -> StreamingReply<'_, u64, Error> {
    client::stream(worker, Count { end })
}

fn quotients<'a>(
    worker: &'a impl Service,
    dividend: i64,
    divisors: impl Stream<Item = i64> + Send + 'static,
) -> StreamingReply<'a, i64, CallError<DivideError>> {
    client::stream_items(worker, Quotients { dividend }, divisors)
}

/// Returns a stream of the items that the test sends.
fn channel() -> (UnboundedSender<i64>, impl Stream<Item = i64> + Send + 'static) {
    let (sender, mut receiver) = unbounded_channel();
    (sender, poll_fn(move |cx| receiver.poll_recv(cx)))
}

/// Collects the items of a stream that ends without an error.
async fn collect<T, E>(what: &str, items: StreamingReply<'_, T, E>) -> Verdict<Vec<T>>
where
    Unmet: From<E>,
{
    Ok(within(what, items.try_collect()).await??)
}

/// Returns the next item of a stream.
async fn next<T, E>(what: &str, items: &mut StreamingReply<'_, T, E>) -> Verdict<T>
where
    Unmet: From<E>,
{
    let Some(item) = within(what, items.next()).await? else {
        return Err(Unmet(format!("{what}: the stream has ended")));
    };
    Ok(item?)
}

/// Takes the items that are left, which are followed by an error and nothing else. Returns their
/// number and the error.
async fn error_after<T, E: Into<Error>>(
    what: &str,
    items: &mut StreamingReply<'_, T, E>,
) -> Verdict<(u64, Error)> {
    let mut left = 0;
    let error = loop {
        match within(what, items.next()).await? {
            Some(Ok(_)) => left += 1,
            Some(Err(error)) => break error.into(),
            None => return Err(Unmet(format!("{what}: the stream has ended without an error"))),
        }
    };
    let more = within(what, items.next()).await?.is_some();
    ensure(!more, || format!("{what}: the stream goes on after its error"))?;
    Ok((left, error))
}

/// Exchanges items with the worker in each direction.
async fn exchange(worker: &impl Service, items: u64) -> Verdict {
    let numbers = collect("items of the worker", count(worker, items)).await?;
    ensure(numbers.into_iter().eq(0..items), || format!("{items} items of the worker came changed"))?;
    let taken = usize::try_from(items)?;
    let sum = client::send_items::<_, _, CallError<String>, _>(
        worker,
        SumFirst { count: taken },
        iter(0..).take(taken),
    );
    let expected = (0..i64::try_from(items)?).sum();
    equal("the sum of the items of the host", within("items of the host", sum).await??, expected)?;
    let divisors = iter(1..).take(taken);
    let found = collect("items both ways", quotients(worker, 1 << 40, divisors)).await?;
    let expected = (1..).take(taken).map(|divisor| (1 << 40) / divisor);
    ensure(found.into_iter().eq(expected), || format!("{items} items both ways came changed"))
}

pub(super) async fn streams<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    for items in [0, 1, 2, 150] {
        exchange(&worker, items).await?;
    }
    for endless in [iter(1..).boxed(), iter([1, 2]).chain(pending()).boxed()] {
        let sum = client::send_items::<_, _, CallError<String>, _>(&worker, SumFirst { count: 2 }, endless);
        equal("the sum of the first items", within("a call with endless items", sum).await??, 3)?;
    }
    let few = client::send_items::<_, _, CallError<String>, _>(&worker, SumFirst { count: 1 }, empty());
    match within("a call without items", few).await? {
        Err(CallError::Service(error)) => equal("its error", error, "too few numbers".into())?,
        other => ensure(false, || format!("expected the handler's own error, got {other:?}"))?,
    }
    for exchanged in within("60 streams at once", join_all((0..20).map(|n| exchange(&worker, n)))).await? {
        exchanged?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn large_items<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    // Sizes around the credit of a stream and the thresholds of buffers.
    let sizes = [0, 1, 64, 65_536, 262_143, 262_144, 262_145, suite.largest / 4, 3, suite.largest / 8];
    let sizes: Vec<_> = sizes.into_iter().filter(|size| *size <= suite.largest).collect();
    let texts = client::stream::<_, _, Error>(&worker, Texts { sizes: sizes.clone() });
    let texts = collect("large items of the worker", texts).await?;
    equal("the sizes of the items of the worker", texts.iter().map(String::len).collect(), sizes.clone())?;
    let is_unchanged = |(number, item): (usize, &String)| *item == text(number, item.len());
    ensure(texts.iter().enumerate().all(is_unchanged), || "items of the worker came changed".into())?;
    let taken = client::send_items::<_, _, Error, _>(&worker, TakeTexts {}, iter(texts));
    equal("the sizes of the items of the host", within("large items of the host", taken).await??, sizes)?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn too_large_items<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::Serve).limits(limits().frame(SMALL_FRAME_BYTES));
    let worker = within("the start of a worker", builder.spawn()).await??;
    let sizes = vec![1, 2, 3, 4 * SMALL_FRAME_BYTES, 5];
    let mut texts = client::stream::<_, _, Error>(&worker, Texts { sizes: sizes.clone() });
    let (items, error) = error_after("a stream with an item that is too large", &mut texts).await?;
    equal("the error of an item that is too large", error.kind(), ErrorKind::TooLarge)?;
    equal("the items before one that is too large", (items, error.items()), (3, Some(3)))?;

    let texts: Vec<_> = sizes.into_iter().enumerate().map(|(number, size)| text(number, size)).collect();
    let taken = client::send_items::<_, _, Error, _>(&worker, TakeTexts {}, iter(texts));
    let error = failure("an item that is too large", within("an item that is too large", taken).await?)?;
    equal("the error of an item that is too large", error.kind(), ErrorKind::TooLarge)?;
    exchange(&worker, 3).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn stream_errors<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    for (items, expected) in [(vec![0], 0), (vec![1, 2, 0, 3], 2), (vec![1; 100], 100)] {
        let mut quotients = quotients(&worker, i64::MIN, iter(items).chain(iter([-1])).chain(pending()));
        for number in 0..expected {
            next(&format!("item {number} before an error"), &mut quotients).await?;
        }
        let error = match within("an error of a handler", quotients.next()).await? {
            Some(Err(CallError::Service(error))) => error,
            other => return Err(Unmet(format!("expected the handler's own error, got {other:?}"))),
        };
        let own = if expected < 100 { DivideError::ByZero } else { DivideError::Overflow { a: i64::MIN } };
        equal("the handler's own error", error, own)?;
        let more = within("a stream after its error", quotients.next()).await?.is_some();
        ensure(!more, || "the stream goes on after its error".into())?;
    }
    let mut unknown = client::stream::<_, _, Error>(&worker, Unknown);
    let (items, error) = error_after("an unknown message", &mut unknown).await?;
    equal("an unknown message", (items, error.kind()), (0, ErrorKind::UnknownMessage))?;
    exchange(&worker, 3).await?;
    Ok(within("closing", worker.close()).await??)
}

/// Message that no worker knows.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Unknown;

impl isolated_workers_core::Message for Unknown {
    const NAME: &'static str = "no such message";
    type Reply = ();
    type Error = isolated_workers_core::Never;
}

impl isolated_workers_core::ReplyStream for Unknown {
    type Item = u64;
}

pub(super) async fn dropped_streams<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    // One waits after its items, the other one for credit.
    for end in [3, 2 * many(suite)] {
        let mut streams: Vec<_> =
            (0..3).map(|_| client::stream::<_, _, Error>(&worker, CountAndWait { end })).collect();
        for stream in &mut streams {
            equal("the first item", next("the first item", stream).await?, 0)?;
        }
        waiting(&worker, 3).await?;
        drop(streams);
        waiting(&worker, 0).await?;
    }
    for items in [iter(0..3).chain(pending()).boxed(), iter(0..).boxed()] {
        let mut call = Box::pin(client::send_items::<_, _, Error, _>(&worker, TakeAndWait {}, items));
        let taken = async {
            tokio::select! {
                waited = waiting(&worker, 1) => waited,
                answered = call.as_mut() => Err(Unmet(format!("a call that waits was answered: {answered:?}"))),
            }
        };
        taken.await?;
        drop(call);
        waiting(&worker, 0).await?;
    }
    // Dropped before it is sent.
    drop(client::stream::<_, _, Error>(&worker, CountAndWait { end: 1 }));
    exchange(&worker, 3).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn unpolled_streams<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let mut unpolled: Vec<_> = (0..3).map(|_| count(&worker, many(suite))).collect();
    for stream in &mut unpolled {
        equal("the first item", next("the first item", stream).await?, 0)?;
    }
    // The worker has items for each of them, and no more credit.
    for round in 0..50 {
        let text = format!("call {round}");
        let back = within("a call beside streams", worker.send(Echo { text: text.clone() })).await??;
        equal("the answer of a call beside streams", back, text)?;
    }
    exchange(&worker, 150).await?;
    for stream in unpolled.drain(..1) {
        let numbers = collect("a stream that was not polled", stream).await?;
        ensure(numbers.into_iter().eq(1..many(suite)), || {
            "items of a stream that was not polled are lost".into()
        })?;
    }
    drop(unpolled);
    exchange(&worker, 3).await?;
    Ok(within("closing", worker.close()).await??)
}

/// Checks that a stream ends with an error that tells the number of its items. `taken` were taken
/// before.
async fn interrupted(items: &mut StreamingReply<'_, u64, Error>, taken: u64, kind: ErrorKind) -> Verdict {
    let (left, error) = error_after("an interrupted stream", items).await?;
    equal("the error of an interrupted stream", error.kind(), kind)?;
    equal("the number of items that the error tells", error.items(), Some(taken + left))?;
    let noun = if taken + left == 1 { "item" } else { "items" };
    let text = format!("{} {noun}", taken + left);
    ensure(error.to_string().contains(&text), || format!("the error does not tell of {text}: {error}"))
}

pub(super) async fn streams_of_a_crashed_worker<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = within("the start of a worker", suite.builder(SuiteRole::StopServing).spawn()).await??;
    let mut waits = client::stream(&worker, CountAndWait { end: 3 });
    for number in 0..3 {
        equal("an item", next("an item", &mut waits).await?, number)?;
    }
    let mut unpolled = client::stream(&worker, CountAndWait { end: 2 * many(suite) });
    equal("an item", next("an item", &mut unpolled).await?, 0)?;
    let mut unanswered = client::stream::<_, _, Error>(&worker, CountAndWait { end: 0 });
    ensure(poll_once(pin!(unanswered.next())).await.is_pending(), || {
        "a call that waits was answered".into()
    })?;
    let items = iter(0..3).chain(pending());
    let mut sends = pin!(client::send_items::<_, _, Error, _>(&worker, TakeAndWait {}, items));
    ensure(poll_once(sends.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
    waiting(&worker, 4).await?;
    let stop = within("the call in which the worker stops", worker.send(StopServing {})).await?;
    failure("the call in which the worker stops", stop)?;

    interrupted(&mut waits, 3, ErrorKind::Crashed).await?;
    interrupted(&mut unpolled, 1, ErrorKind::Crashed).await?;
    let (items, error) = error_after("a stream without items", &mut unanswered).await?;
    equal("a stream without items", (items, error.kind()), (0, ErrorKind::Crashed))?;
    let error = failure("a call that sends items", within("a call that sends items", sends).await?)?;
    equal("a call that sends items", error.kind(), ErrorKind::Crashed)?;
    within("the wait for the end", worker.closed()).await?;
    Ok(())
}

pub(super) async fn streams_while_draining<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let (divisors, items) = channel();
    let mut both = quotients(&worker, 100, items);
    divisors.send(1)?;
    equal("an item", next("an item", &mut both).await?, 100)?;
    let mut unpolled = count(&worker, many(suite));
    equal("an item", next("an item", &mut unpolled).await?, 0)?;

    let mut drain = pin!(worker.drain());
    let early = poll_once(drain.as_mut()).await;
    ensure(early.is_pending(), || format!("drained while streams were open: {early:?}"))?;
    let rest = async {
        for divisor in 2..50 {
            divisors.send(divisor)?;
            equal("an item while the worker drains", next("an item", &mut both).await?, 100 / divisor)?;
        }
        drop(divisors);
        equal("the items after the last one", collect("the end of a stream", both).await?, vec![])?;
        let numbers = collect("a stream while the worker drains", unpolled).await?;
        ensure(numbers.into_iter().eq(1..many(suite)), || "items are lost while the worker drains".into())
    };
    let (drained, rest): (_, Verdict) = tokio::join!(within("draining", drain), rest);
    rest?;
    Ok(drained??)
}

pub(super) async fn streams_at_a_handover<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = leave::started(suite, Timeouts::default()).await?;
    let (divisors, items) = channel();
    let mut both = quotients(&worker, 100, items);
    divisors.send(1)?;
    equal("an item", next("an item", &mut both).await?, 100)?;
    let mut unpolled = count(&worker, many(suite));
    equal("an item", next("an item", &mut unpolled).await?, 0)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let after = CountAfter { port: listener.local_addr()?.port(), end: many(suite) };
    let mut waits = client::stream::<_, _, Error>(&worker, after);
    for number in 0..many(suite) / 2 {
        equal("an item", next("an item", &mut waits).await?, number)?;
    }
    let early = poll_once(pin!(waits.next())).await;
    ensure(early.is_pending(), || "an item that waits has arrived".into())?;
    let (mut in_flight, _) = within("the worker's connection", listener.accept()).await??;

    leave(&worker).await?;
    in_flight.write_all(b"x").await?;
    let item = next("the item after the handover", &mut waits).await?;
    equal("the item after the handover", item, many(suite) / 2)?;
    for divisor in 2..50 {
        divisors.send(divisor)?;
        equal("an item after the handover", next("an item", &mut both).await?, 100 / divisor)?;
    }
    let rest = collect("a stream of a worker that leaves", waits).await?;
    ensure(rest.into_iter().eq(many(suite) / 2 + 1..many(suite)), || {
        "items are lost at the handover".into()
    })?;
    let rest = collect("a stream that was not polled", unpolled).await?;
    ensure(rest.into_iter().eq(1..many(suite)), || "items that waited are lost at the handover".into())?;
    exchange(&worker, 3).await?;
    drop(divisors);
    equal("the items after the last one", collect("the end of a stream", both).await?, vec![])?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn streams_in_callbacks<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::CallBack).serve(service());
    let worker = within("the start of a worker", builder.spawn()).await??;
    for items in [0, 1, many(suite)] {
        let counted = within("items of the host", worker.send(CallHost::Count(items))).await??;
        equal("the items of the host", counted, "true".into())?;
        let sum = CallHost::Sum(usize::try_from(items)?);
        let sum = within("items of the worker", worker.send(sum)).await??;
        equal("the items of the worker", sum, (0..items).sum::<u64>().to_string())?;
    }
    let relay = |items| {
        client::stream_items::<_, _, CallError<String>>(&worker, RelayQuotients { dividend: 1 << 40 }, items)
    };
    for items in [0, 1, 150] {
        let relayed = collect("items in both calls", relay(iter(1..).take(items).boxed())).await?;
        let expected = (1..).take(items).map(|divisor| (1 << 40) / divisor);
        ensure(relayed.into_iter().eq(expected), || format!("{items} items in both calls came changed"))?;
    }
    let mut relayed = relay(iter([1, 0]).chain(pending()).boxed());
    equal("an item before an error", next("an item before an error", &mut relayed).await?, 1 << 40)?;
    match within("an error of the host", relayed.next()).await? {
        Some(Err(CallError::Service(error))) => {
            ensure(error.contains("the quotient is undefined"), || {
                format!("the error of the host: {error}")
            })?;
        }
        other => ensure(false, || format!("expected the error of the host, got {other:?}"))?,
    }
    // The callback ends with its call.
    let mut relayed = relay(iter([1]).chain(pending()).boxed());
    equal("an item", next("an item", &mut relayed).await?, 1 << 40)?;
    drop(relayed);
    let counted = within("items of the host", worker.send(CallHost::Count(3))).await??;
    equal("the items of the host", counted, "true".into())?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn reconnect<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Reconnect,
{
    let worker = suite.started().await?;
    for _ in 0..3 {
        let mut waits = client::stream(&worker, CountAndWait { end: 3 });
        equal("an item", next("an item", &mut waits).await?, 0)?;
        let mut unpolled = client::stream(&worker, CountAndWait { end: 2 * many(suite) });
        equal("an item", next("an item", &mut unpolled).await?, 0)?;
        within("disconnecting", worker.disconnect()).await??;
        interrupted(&mut waits, 1, ErrorKind::Closed).await?;
        interrupted(&mut unpolled, 1, ErrorKind::Closed).await?;
        within("reconnecting", worker.reconnect()).await??;
        waiting(&worker, 0).await?;
        exchange(&worker, 10).await?;
    }
    Ok(within("closing", worker.close()).await??)
}
