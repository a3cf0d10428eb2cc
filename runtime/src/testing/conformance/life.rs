//! Cases about shutdown and cleanup of a worker.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers_codec::Codec;
use isolated_workers_core::{ErrorKind, Executed, ExitReason};
use isolated_workers_middleware::{Service, ServiceExt};
use isolated_workers_transport::{Reconnect, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::calls::waiting;
use super::service::{Divide, Echo, FINISHED, Finish, Hold, Linger, Note, Noted, Tether, Wait, Waiting};
use super::{STEP_TIMEOUT, Suite, SuiteRole, Verdict, ensure, equal, failure, poll_once, within};
use crate::{Driver, Timeouts};

pub(super) async fn close_idle<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    ensure(worker.is_active(), || "a worker that was started is not active".into())?;
    within("closing", worker.close()).await??;
    ensure(!worker.is_active(), || "a worker that was closed is active".into())?;
    within("the wait for the end", worker.closed()).await?;
    let late = within("a call", worker.send(Divide { a: 1, b: 1 })).await?;
    let late = match late {
        Err(isolated_workers_core::CallError::Call(error)) => error,
        other => return Err(super::Unmet(format!("a call after the end: expected an error, got {other:?}"))),
    };
    equal("a call after the end", (late.kind(), late.executed()), (ErrorKind::Closed, Executed::No))
}

pub(super) async fn close_in_flight<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let close = async { Ok(within("closing", worker.close()).await??) };
    fail_in_flight(&worker, close, ErrorKind::Closed).await
}

/// Makes ten calls that wait in the worker, and then performs `action`. Checks that each call fails
/// with `kind`.
pub(super) async fn fail_in_flight(
    worker: &impl Service,
    action: impl Future<Output = Verdict>,
    kind: ErrorKind,
) -> Verdict {
    let calls = join_all((0..10).map(|_| worker.send(Wait {})));
    let action = async {
        waiting(worker, 10).await?;
        action.await
    };
    let (calls, acted): (_, Verdict) = tokio::join!(within("calls in flight", calls), action);
    acted?;
    for call in calls? {
        equal("a call in flight", failure("a call in flight", call)?.kind(), kind)?;
    }
    Ok(())
}

pub(super) async fn close_twice<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let (one, two) =
        within("closing twice at once", async { tokio::join!(worker.close(), worker.close()) }).await?;
    one.and(two)?;
    within("closing again", worker.close()).await??;
    worker.kill();
    within("the wait for the end", worker.closed()).await?;
    Ok(())
}

pub(super) async fn kill<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let kill = async {
        worker.kill();
        Ok(())
    };
    fail_in_flight(&worker, kill, ErrorKind::Closed).await?;
    within("the wait for the end", worker.closed()).await?;
    let late = within("a call", worker.send(Wait {})).await?;
    equal("a call after the end", failure("a call after the end", late)?.kind(), ErrorKind::Closed)
}

pub(super) async fn drain<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let linger = Linger { port: listener.local_addr()?.port() };
    let call = worker.send(linger);
    let drain = async {
        let (in_flight, _) = within("the worker's connection", listener.accept()).await??;
        let mut drain = pin!(worker.drain());
        let early = poll_once(drain.as_mut()).await;
        ensure(early.is_pending(), || format!("drained while a call was in flight: {early:?}"))?;
        // The supervisor receives the request to drain a moment later.
        let refused = loop {
            match within("a new call", worker.send(Waiting {})).await? {
                Ok(_) => tokio::task::yield_now().await,
                refused => break failure("a new call", refused)?,
            }
        };
        equal("a new call", (refused.kind(), refused.executed()), (ErrorKind::Closed, Executed::No))?;
        drop(in_flight);
        Ok(within("draining", drain).await??)
    };
    let (call, drained): (_, Verdict) = tokio::join!(within("a call in flight", call), drain);
    drained?;
    call??;
    within("the wait for the end", worker.closed()).await?;
    Ok(())
}

pub(super) async fn drain_oneway<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let finish = Finish { port: listener.local_addr()?.port() };
    within("a oneway message", worker.send(finish)).await??;
    let (mut running, _) = within("the worker's connection", listener.accept()).await??;
    let finish = async {
        // It would have ended by now if it did not wait for its handler.
        let early = timeout(Duration::from_millis(100), running.read(&mut [0])).await;
        ensure(early.is_err(), || format!("drained while a oneway message was running: {early:?}"))?;
        running.shutdown().await?;
        let mut words = Vec::new();
        within("the end of the handler", running.read_to_end(&mut words)).await??;
        equal("a oneway message", &*words, FINISHED)
    };
    let (drained, finished): (_, Verdict) = tokio::join!(within("draining", worker.drain()), finish);
    finished?;
    Ok(drained??)
}

pub(super) async fn reconnect<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Reconnect,
{
    let worker = suite.started().await?;
    for round in 1..=3 {
        within("a oneway message", worker.send(Note { text: "noted".into() })).await??;
        let call = worker.send(Wait {});
        let disconnect = async {
            waiting(&worker, 1).await?;
            Ok(within("disconnecting", worker.disconnect()).await??)
        };
        let (call, disconnected): (_, Verdict) = tokio::join!(within("a call in flight", call), disconnect);
        disconnected?;
        equal("a call in flight", failure("a call in flight", call?)?.kind(), ErrorKind::Closed)?;
        let late = failure("a call meanwhile", within("a call meanwhile", worker.send(Wait {})).await?)?;
        equal("a call meanwhile", (late.kind(), late.executed()), (ErrorKind::Closed, Executed::No))?;
        within("reconnecting", worker.reconnect()).await??;
        let (notes, _) = within("a call", worker.send(Noted {})).await??;
        equal("notes before and after", notes, round)?;
    }
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn last_handle<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    within("a call", worker.send(Tether { port: listener.local_addr()?.port() })).await??;
    let (mut tether, _) = within("the worker's connection", listener.accept()).await??;
    let other = worker.clone();
    drop(worker);
    equal(
        "a call by the other handle",
        within("a call", other.send(Echo { text: "still".into() })).await??,
        "still".into(),
    )?;
    drop(other);
    // The connection ends or breaks, depending on how the worker exits.
    let _ = within("the end of a worker without a handle", tether.read(&mut [0])).await?;
    Ok(())
}

pub(super) async fn close_unresponsive<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let timeouts = Timeouts::default().startup(STEP_TIMEOUT).close(Duration::from_millis(50));
    let spawn = suite.builder(SuiteRole::Serve).timeouts(timeouts).spawn();
    let worker = within("the start of a worker", spawn).await??;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let hold = Hold { port: listener.local_addr()?.port() };
    within("a oneway message", worker.send(hold)).await??;
    let _held = within("the worker's connection", listener.accept()).await??;
    let closed = failure("closing", within("closing", worker.close()).await?)?;
    equal("closing", closed.kind(), ErrorKind::Closed)?;
    within("the wait for the end", worker.closed()).await?;
    Ok(())
}

pub(super) async fn runtime_dropped<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let spawn = other.spawn(suite.builder(SuiteRole::Serve).spawn());
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || other.block_on(stopped));
    let worker = within("the start of a worker", spawn).await???;
    let drop_runtime = async {
        drop(stop);
        Ok(())
    };
    fail_in_flight(&worker, drop_runtime, ErrorKind::Closed).await?;
    ensure(!worker.is_active(), || "a worker without its runtime is active".into())?;
    let end = within("the wait for the end", worker.closed()).await?;
    equal("the end of a worker without its runtime", end, ExitReason::Abandoned)?;
    let late = failure("a call after the end", within("a call", worker.send(Wait {})).await?)?;
    equal("a call after the end", (late.kind(), late.executed()), (ErrorKind::Closed, Executed::No))?;
    let closed = failure("closing", within("closing", worker.close()).await?)?;
    equal("closing", closed.kind(), ErrorKind::Closed)
}

pub(super) async fn nothing_left<F, D, C, T>(suite: &Suite<F, C, T>, rounds: usize) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    // The first rounds create everything that is created once per process.
    start_and_stop(suite, 4).await?;
    let before = descriptors();
    start_and_stop(suite, rounds).await?;
    // Tasks of the last worker may still be ending.
    let mut after = descriptors();
    for _ in 0..1000 {
        if after == before {
            break;
        }
        tokio::task::yield_now().await;
        after = descriptors();
    }
    equal(&format!("descriptors after {rounds} rounds"), after, before)
}

async fn start_and_stop<F, D, C, T>(suite: &Suite<F, C, T>, rounds: usize) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    for round in 0..rounds {
        if round % 4 == 3 {
            // A worker that fails to start.
            let outcome = within("the start of a worker", suite.builder(SuiteRole::End).spawn()).await?;
            failure("the start of a worker that ends", outcome)?;
            continue;
        }
        let worker = suite.started().await?;
        match round % 4 {
            0 => within("closing", worker.close()).await??,
            1 => worker.kill(),
            _ => drop(within("a call", worker.send(Echo { text: "and out".into() })).await??),
        }
        if round % 4 == 2 {
            within("closing", worker.close()).await??;
        }
        within("the wait for the end", worker.closed()).await?;
    }
    Ok(())
}

/// Number of open descriptors of this process. `None` if the system does not list them.
fn descriptors() -> Option<usize> {
    let listed = cfg!(target_os = "linux").then(|| std::fs::read_dir("/proc/self/fd"))?;
    listed.ok().map(Iterator::count)
}
