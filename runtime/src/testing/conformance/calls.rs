//! Cases about calls: answers, bodies, metadata, cancellation, timeouts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Poll;

use futures_util::future::join_all;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Body, CallError, ErrorKind, Message, Name, Request};
use isolated_workers_middleware::{Service, ServiceExt};
use isolated_workers_transport::Transport;
use tokio::net::TcpListener;

use super::service::{
    Divide, DivideError, Echo, Gate, Hold, Mirror, Note, Noted, Notes, OpenGates, Panic, Print, Reflect,
    Wait, WaitBriefly, Waiting,
};
use super::{Suite, SuiteRole, Verdict, ensure, equal, failure, poll_once, within};
use crate::Driver;
use crate::testing::Dribble;

pub(super) async fn calls<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    small_calls(&worker).await?;
    Ok(within("closing", worker.close()).await??)
}

/// Makes a few small calls of each kind.
async fn small_calls(worker: &impl Service) -> Verdict {
    equal("7 / 2", within("a call", worker.send(Divide { a: 7, b: 2 })).await??, 3)?;
    for (a, b, expected) in
        [(1, 0, DivideError::ByZero), (i64::MIN, -1, DivideError::Overflow { a: i64::MIN })]
    {
        match within("a call that its handler refuses", worker.send(Divide { a, b })).await? {
            Err(CallError::Service(error)) => equal("the handler's own error", error, expected)?,
            other => ensure(false, || format!("expected the handler's own error, got {other:?}"))?,
        }
    }
    let bytes: Vec<u8> = (0..=255).collect();
    let back = within("a call", worker.send(Mirror { bytes: bytes.clone() })).await??;
    let differs = bytes.iter().zip(&back).find(|(byte, back)| byte != back);
    ensure(back == bytes, || {
        format!("256 bytes came back changed, as {}; the first to differ: {differs:?}", back.len())
    })?;
    let text = "\0\n\r\"\\ \u{7f} ä 𝄞 \u{2028}";
    equal("a text", within("a call", worker.send(Echo { text: text.into() })).await??, text.into())
}

pub(super) async fn in_flight<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    const CALLS: u32 = 1000;
    let worker = suite.started().await?;
    let calls = join_all((0..CALLS).map(|key| {
        let worker = &worker;
        async move { (key, worker.send(Gate { key }).await) }
    }));
    let open = async {
        waiting(&worker, CALLS as usize).await?;
        Ok(within("opening the gates", worker.send(OpenGates {})).await??)
    };
    let (answers, opened): (_, Verdict) = tokio::join!(within("1,000 calls in flight", calls), open);
    opened?;
    for (key, answer) in answers? {
        equal("the answer of a call among 1,000", answer?, key)?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn oneway<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let texts: Vec<String> = (0..100).map(|i| format!("{i}{}", "x".repeat(i * 20))).collect();
    for text in &texts {
        within("a oneway message", worker.send(Note { text: text.clone() })).await??;
    }
    equal("what was noted, in order", within("a call", worker.send(Notes {})).await??, texts)?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn bodies<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let nothing = Request::new(Name::from_static(Reflect::NAME), Body::empty());
    let nothing = within("a body of 0 bytes", worker.call(nothing)).await??;
    worker.codec().decode::<()>(nothing.body().as_bytes()).map_err(|error| {
        super::Unmet(format!("a body of 0 bytes came back as {:?}: {error}", nothing.body()))
    })?;
    // Sizes around thresholds of buffers, pipes and limits.
    let sizes = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 1 << 20, suite.largest];
    for size in sizes.into_iter().filter(|size| *size <= suite.largest) {
        echo(&worker, size).await?;
    }
    Ok(within("closing", worker.close()).await??)
}

/// Sends a text of `size` bytes to the worker and back.
async fn echo(worker: &impl Service, size: usize) -> Verdict {
    let text = text(size);
    let back = within(&format!("a body of {size} bytes"), worker.send(Echo { text: text.clone() })).await??;
    ensure(back == text, || format!("a body of {size} bytes came back changed, with {}", back.len()))
}

/// Returns a text in which a lost or duplicated piece can be detected.
fn text(size: usize) -> String {
    let piece: String = (0..9973u32).map(|i| char::from(b'0' + (i * i % 43) as u8)).collect();
    let mut text = piece.repeat(size / piece.len() + 1);
    text.truncate(size);
    text
}

pub(super) async fn metadata<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let keys = [("trace", "1"), ("empty", ""), ("a \"key\"\n", "ä value \0")];
    let mut request = Request::new(Name::from_static(Reflect::NAME), Body::empty());
    *request.metadata_mut() = keys.into_iter().collect();
    let response = within("a call with metadata", worker.call(request)).await??;
    // Formats may reorder metadata.
    let came: BTreeMap<_, _> = response.metadata().iter().collect();
    let expected: BTreeMap<_, _> = keys.into_iter().chain([("reflected-by", "worker")]).collect();
    equal("the metadata of the answer", came, expected)?;
    Ok(within("closing", worker.close()).await??)
}

/// Waits until `calls` calls wait in the worker. Polls the worker without a timer, because each
/// answer is an event.
pub(super) async fn waiting(worker: &impl Service, calls: usize) -> Verdict {
    let asked = async {
        while worker.send(Waiting {}).await? != calls {}
        Ok(())
    };
    within(&format!("the wait for {calls} calls to wait in the worker"), asked).await?
}

pub(super) async fn cancellation<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    for calls in [1, 50] {
        let mut dropped: Vec<_> = (0..calls).map(|_| Box::pin(worker.send(Wait {}))).collect();
        for call in &mut dropped {
            ensure(poll_once(call.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
        }
        waiting(&worker, calls).await?;
        drop(dropped);
        waiting(&worker, 0).await?;
    }
    // Dropped before it is sent.
    drop(worker.send(Wait {}));
    small_calls(&worker).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn timeouts<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    for late in within("calls with a timeout", join_all((0..20).map(|_| worker.send(WaitBriefly {})))).await?
    {
        equal("a call whose time is over", failure("a call", late)?.kind(), ErrorKind::Timeout)?;
    }
    waiting(&worker, 0).await?;
    small_calls(&worker).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn unknown_message<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    fails_alone(suite, "no such message", ErrorKind::UnknownMessage).await
}

pub(super) async fn undecodable<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    // An empty body cannot hold two numbers in any format.
    fails_alone(suite, Divide::NAME, ErrorKind::Decode).await
}

async fn fails_alone<F, D, C, T>(suite: &Suite<F, C, T>, name: &'static str, kind: ErrorKind) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let mut before = pin!(worker.send(Gate { key: 7 }));
    ensure(poll_once(before.as_mut()).await.is_pending(), || "a call that waits was answered".into())?;
    let outcome = within("a call", worker.call(Request::new(Name::from_static(name), Body::empty()))).await?;
    equal("a call that cannot be answered", failure("a call", outcome)?.kind(), kind)?;
    small_calls(&worker).await?;
    waiting(&worker, 1).await?;
    within("opening the gates", worker.send(OpenGates {})).await??;
    equal("the call in flight", within("the call in flight", before).await??, 7)?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn mixed_sizes<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let large = suite.largest / 8;
    let calls = (0..100).map(|i| {
        let worker = &worker;
        async move { echo(worker, if i % 25 == 0 { large } else { i }).await }
    });
    for call in join_all(calls).await {
        call?;
    }
    Ok(within("closing", worker.close()).await??)
}

/// Number of bytes that no transport can buffer.
const UNBUFFERABLE_BYTES: usize = 8 << 20;

pub(super) async fn slow_reader<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    const PIECES: usize = 16;
    let worker = suite.started().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    within("a oneway message", worker.send(Hold { port: listener.local_addr()?.port() })).await??;
    let (hold, _) = within("the worker's pause", listener.accept()).await??;

    let piece = text(suite.largest / 2 / PIECES);
    let flood = async {
        for _ in 0..PIECES {
            worker.send(Note { text: piece.clone() }).await?;
        }
        Verdict::Ok(())
    };
    let mut flood = pin!(flood);
    let sent = poll_once(flood.as_mut()).await;
    ensure(sent.is_pending() || piece.len() * PIECES < UNBUFFERABLE_BYTES, || {
        format!("{} bytes were taken for a worker that does not read", piece.len() * PIECES)
    })?;
    drop(hold);
    match sent {
        Poll::Ready(sent) => sent?,
        Poll::Pending => within("the flood, once the worker reads", flood).await??,
    }
    let noted = within("a call", worker.send(Noted {})).await??;
    equal("what has arrived, and its bytes", noted, (PIECES, PIECES * piece.len()))?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn dribble<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::Serve).transport(Dribble::new(suite.transport.clone()));
    let worker = within("the start of a worker", builder.spawn()).await??;
    small_calls(&worker).await?;
    echo(&worker, 2000).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn printing<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    for text in ["{\"type\":\"echo\",\"tx\":\"1\"}\n", "\0\0\0\u{1}", "\n"] {
        within("a call that prints", worker.send(Print { text: text.into() })).await??;
    }
    small_calls(&worker).await?;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn panics<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let neighbor = worker.send(Gate { key: 1 });
    let panics = async {
        waiting(&worker, 1).await?;
        let error = failure("a call that panics", within("a call", worker.send(Panic {})).await?)?;
        equal("a call that panics", error.kind(), ErrorKind::Panicked)?;
        Ok(within("opening the gate", worker.send(OpenGates {})).await??)
    };
    let (neighbor, panicked): (_, Verdict) = tokio::join!(within("a call in flight", neighbor), panics);
    panicked?;
    equal("the answer of a call in flight", neighbor??, 1)?;
    Ok(within("closing", worker.close()).await??)
}
