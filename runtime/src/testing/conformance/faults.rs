//! Cases about peers that vanish, send garbage or close one direction. The test is the host here,
//! and uses the public parts of the transport. The worker plays a [`SuiteRole`].

use isolated_workers_codec::Codec;
use isolated_workers_core::{ErrorKind, ExitReason, Limits, Services};
use isolated_workers_middleware::ServiceExt;
use isolated_workers_transport::{Bound, Channel, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::life::fail_in_flight;
use super::role::GARBAGE;
use super::service::{Echo, Mirror, SCHEMA, StopServing, TakeDescriptors};
use super::shortage::take_descriptors;
use super::{Suite, SuiteRole, Unmet, Verdict, ensure, equal, failure, within};
use crate::driver::Running;
use crate::launch::Launch;
use crate::{Driver, handshake};

/// A worker whose host is the test.
struct ManualHost<D: Driver, T: Transport> {
    running: D::Running,
    bound: T::Bound,
}

impl<D: Driver, T: Transport> ManualHost<D, T> {
    fn start<F: Fn(SuiteRole) -> D, C: Codec>(suite: &Suite<F, C, T>) -> Verdict<Self> {
        let mut bound = suite.transport.bind()?;
        let running =
            (suite.driver)(SuiteRole::Serve).start(Launch::new::<T, C>(bound.inheritance(), true))?;
        Ok(Self { running, bound })
    }

    async fn establish(self) -> Verdict<(D::Running, Channel<T::Reader, T::Writer>)> {
        let Self { running, bound } = self;
        Ok((running, within("the worker's connection", bound.establish()).await??))
    }
}

/// Returns the host's hello.
async fn hello<C: Codec, T: Transport>() -> Vec<u8> {
    let mut line = Vec::new();
    // The error is ignored: there is no answer, and only the hello is needed.
    let identity =
        handshake::host::<C>(T::NAME, SCHEMA.into(), Limits::default(), Services::default(), false);
    let _ = handshake::greet(&mut tokio::io::empty(), &mut line, identity, "by hand", None).await;
    line
}

/// Returns positions at which to cut off a hello of this length: near its ends, and in the middle.
fn cuts(length: usize) -> [usize; 5] {
    [1, 17, length / 2, length - 2, length - 1]
}

async fn ends(what: &str, mut running: impl Running) -> Verdict<ExitReason> {
    within(&format!("the end of a worker whose host {what}"), running.wait()).await
}

pub(super) async fn vanishing_host<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let ManualHost { running, bound } = ManualHost::start(suite)?;
    drop(bound);
    ends("vanished before it was connected", running).await?;

    let (running, channel) = ManualHost::start(suite)?.establish().await?;
    drop(channel);
    ends("vanished before it sent any bytes", running).await?;

    let hello = hello::<C, T>().await;
    for cut in cuts(hello.len()) {
        let (running, mut channel) = ManualHost::start(suite)?.establish().await?;
        channel.writer.write_all(&hello[..cut]).await?;
        channel.writer.flush().await?;
        drop(channel);
        ends(&format!("vanished after {cut} bytes of the handshake"), running).await?;
    }

    let (running, mut channel) = ManualHost::start(suite)?.establish().await?;
    greet::<T>(&hello, &mut channel).await?;
    drop(channel);
    let end = ends("vanished after the handshake", running).await?;
    equal("the end of a worker whose host vanished after the handshake", end, ExitReason::Exited(0))?;

    let (running, mut channel) = ManualHost::start(suite)?.establish().await?;
    greet::<T>(&hello, &mut channel).await?;
    // The first byte of a frame's length, or of a JSON object.
    channel.writer.write_all(if C::ID == "json" { b"{" } else { b"\0" }).await?;
    channel.writer.flush().await?;
    drop(channel);
    ends("vanished within a frame", running).await?;
    Ok(())
}

/// Sends the host's hello one byte at a time, and reads the worker's.
async fn greet<T: Transport>(hello: &[u8], channel: &mut Channel<T::Reader, T::Writer>) -> Verdict {
    for byte in hello {
        channel.writer.write_all(&[*byte]).await?;
        channel.writer.flush().await?;
    }
    let answer = async {
        while channel.reader.read_u8().await? != b'\n' {}
        Ok::<_, std::io::Error>(())
    };
    Ok(within("the worker's part of the handshake", answer).await??)
}

pub(super) async fn vanishing_worker<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let within_hello = [1, 17, 60, 120, usize::MAX].map(|bytes| SuiteRole::EndWithinHello { bytes });
    for role in [SuiteRole::End, SuiteRole::EndAttached].into_iter().chain(within_hello) {
        let what = format!("the start of a worker in the role `{role}`");
        let outcome = within(&what, suite.builder(role).spawn()).await?;
        equal(&what, failure(&what, outcome)?.kind(), ErrorKind::Startup)?;
    }
    match within("the start of a worker that ends at once", suite.builder(SuiteRole::EndGreeted).spawn())
        .await?
    {
        Ok(worker) => crashed(SuiteRole::EndGreeted, &worker).await,
        // The end was noticed before the handshake was read.
        Err(error) => equal("the start of a worker that ends at once", error.kind(), ErrorKind::Startup),
    }
}

async fn crashed<C: Codec, T: Transport, D: Driver>(
    role: SuiteRole,
    worker: &crate::Worker<crate::Link<C>, T, D>,
) -> Verdict {
    let what = format!("a call to a worker in the role `{role}`");
    let outcome = within(&what, worker.send(Echo { text: "anybody?".into() })).await?;
    equal(&what, failure(&what, outcome)?.kind(), ErrorKind::Crashed)?;
    within(&format!("the end of a worker in the role `{role}`"), worker.closed()).await?;
    ensure(!worker.is_active(), || format!("a worker in the role `{role}` is active after its end"))
}

pub(super) async fn garbage<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let what = "the start of a worker that speaks another protocol";
    let outcome = within(what, suite.builder(SuiteRole::Garbage).spawn()).await?;
    equal(what, failure(what, outcome)?.kind(), ErrorKind::Handshake)?;

    let (running, mut channel) = ManualHost::start(suite)?.establish().await?;
    channel.writer.write_all(GARBAGE).await?;
    channel.writer.flush().await?;
    let end = ends("speaks another protocol", running).await?;
    ensure(end != ExitReason::Exited(0), || {
        "a worker whose host spoke another protocol ended without an error".into()
    })
}

pub(super) async fn half_close<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let hello = hello::<C, T>().await;
    let (running, mut channel) = ManualHost::start(suite)?.establish().await?;
    greet::<T>(&hello, &mut channel).await?;
    channel.writer.shutdown().await?;
    if !T::HALF_CLOSE {
        drop(channel);
        ends("neither writes nor reads any more", running).await?;
        return Ok(());
    }
    ends("writes no more", running).await?;

    let worker =
        within("the start of a worker that writes no more", suite.builder(SuiteRole::HalfClose).spawn())
            .await?;
    match worker {
        Ok(worker) => crashed(SuiteRole::HalfClose, &worker).await,
        Err(error) => Err(Unmet(format!("a worker that writes no more after the handshake: {error:#}"))),
    }
}

pub(super) async fn stopped_serving<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = within("the start of a worker", suite.builder(SuiteRole::StopServing).spawn()).await??;
    let stop = async {
        let stop = within("the call in which the worker stops", worker.send(StopServing {})).await?;
        equal("the call in which the worker stops", failure("it", stop)?.kind(), ErrorKind::Crashed)
    };
    fail_in_flight(&worker, stop, ErrorKind::Crashed).await?;
    within("the wait for the end", worker.closed()).await?;
    Ok(())
}

pub(super) async fn no_descriptors<F, D, C, T>(suite: &Suite<F, C, T>) -> Verdict
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    let worker = suite.started().await?;
    within("a call", worker.send(TakeDescriptors {})).await??;
    take_descriptors();
    for length in [1, suite.largest / 4] {
        let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
        let sent = bytes.clone();
        let back = within("a call without a free descriptor", worker.send(Mirror { bytes: sent })).await??;
        ensure(back == bytes, || format!("{length} bytes came back changed"))?;
    }
    Ok(within("closing", worker.close()).await??)
}
