//! Cases about a worker that announces its end. It plays [`SuiteRole::Leave`].

use std::net::Ipv4Addr;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::Executed;
use isolated_workers_middleware::{Service, ServiceExt};
use isolated_workers_transport::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::service::{Echo, Hang, Leave, Linger, Note, Noted, Tether};
use super::{STEP_TIMEOUT, Suite, SuiteRole, Verdict, ensure, equal, within};
use crate::{Driver, Link, OnCrash, Timeouts, Worker};

pub(super) async fn started<F, D, C, T>(
    suite: &Suite<F, C, T>,
    timeouts: Timeouts,
) -> Verdict<Worker<Link<C>, T, D>>
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let builder = suite.builder(SuiteRole::Leave).timeouts(timeouts.startup(STEP_TIMEOUT));
    let worker = within("the start of a worker", builder.on_crash(OnCrash::respawn()).spawn()).await??;
    // A successor has no notes.
    within("a oneway message", worker.send(Note { text: "of the first worker".into() })).await??;
    Ok(worker)
}

/// Makes the worker announce its end, and waits until its successor answers.
pub(super) async fn leave(worker: &impl Service) -> Verdict {
    within("the call that makes the worker leave", worker.send(Leave {})).await??;
    loop {
        match within("a call to the successor", worker.send(Noted {})).await? {
            Ok((0, _)) => return Ok(()),
            // The worker answers until it has sent its announcement, and afterwards, a call that
            // has not run may cross it.
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                let error = isolated_workers_core::Error::from(error);
                ensure(error.executed() == Executed::No, || format!("a call to the successor: {error:#}"))?;
            }
        }
    }
}

pub(super) async fn handover<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = started(suite, Timeouts::default()).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let linger = Linger { port: listener.local_addr()?.port() };
    let call = worker.send(linger);
    let successor = async {
        let (mut in_flight, _) = within("the worker's connection", listener.accept()).await??;
        leave(&worker).await?;
        // Under Wine, the successor inherits this end, so that closing it would not be noticed.
        Ok(in_flight.write_all(b"x").await?)
    };
    let (call, served): (_, Verdict) = tokio::join!(within("a call in flight", call), successor);
    served?;
    call??;
    Ok(within("closing", worker.close()).await??)
}

pub(super) async fn drain_timeout<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let short = Duration::from_millis(50);
    let worker = started(suite, Timeouts::default().drain(short).close(short)).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let tether = Tether { port: listener.local_addr()?.port() };
    within("a call", worker.send(tether)).await??;
    let (mut tether, _) = within("the worker's connection", listener.accept()).await??;
    within("a oneway message", worker.send(Hang {})).await??;
    leave(&worker).await?;
    // The connection ends or breaks, depending on how the worker exits.
    let _ = within("the end of a worker that has announced it", tether.read(&mut [0])).await?;
    let back = within("a call to the successor", worker.send(Echo { text: "still".into() })).await??;
    equal("a call to the successor", back, "still".into())?;
    // The successor may be killed, because it has little time to end on a busy machine.
    let _ = within("closing", worker.close()).await?;
    Ok(())
}
