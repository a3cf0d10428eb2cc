//! Conformance suite for transports, codecs and drivers: a [`Suite`] runs with any combination of
//! the three.
//!
//! The suite needs a program that acts as the worker:
//!
//! ```no_run
//! # use isolated_workers_codec::Json as MyCodec;
//! # use isolated_workers_core::Error;
//! # use isolated_workers_runtime::testing::conformance::SuiteRole;
//! # use isolated_workers_transport::DefaultTransport as MyTransport;
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     let role: SuiteRole = std::env::args().nth(1).unwrap_or_default().parse()?;
//!     role.play(MyCodec, MyTransport).await
//! }
//! ```
//!
//! It also needs a test that starts the program.
//! [`conformance_tests!`](crate::testing::conformance_tests) generates one test per case:
//!
//! ```no_run
//! # use isolated_workers_codec::Json as MyCodec;
//! # use isolated_workers_runtime::testing::{conformance::Suite, conformance_tests};
//! # use isolated_workers_runtime::{Program, Thread};
//! # use isolated_workers_transport::{InMemory, DefaultTransport as MyTransport};
//! conformance_tests! {
//!     mod my_transport = Suite::new(|role| Program::new("./worker").arg(role.to_string()), MyCodec, MyTransport);
//!     // A driver that needs no program.
//!     mod my_codec = Suite::new(|role| Thread::new(move || role.play(MyCodec, InMemory)), MyCodec, InMemory);
//! }
//! ```
//!
//! A failed case panics with its name, the codec, the transport, and the unmet expectation. No case
//! sleeps. Each case waits for events, and fails if an event does not arrive within 60 s.

mod alone;
mod callback_service;
mod callbacks;
mod calls;
mod describe;
mod faults;
mod leave;
mod life;
mod role;
mod second_service;
mod service;
mod services;
mod shortage;
mod stream_service;
mod streams;
mod tests_macro;

use std::fmt::{Debug, Display};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Limits};
use isolated_workers_transport::{Reconnect, Transport};

pub use self::alone::{alone, check};
pub use self::role::SuiteRole;
pub use self::stream_service::service;
use crate::{Builder, Driver, Link, Timeouts, Worker};

/// Limits for both sides. The largest body fits even in a format that doubles its size.
pub fn limits() -> Limits {
    Limits::default().frame(80 << 20)
}

/// Test cases for one driver, one codec and one transport.
///
/// Every case starts its own workers, so cases can run in parallel. Run them within a tokio runtime
/// with I/O and time enabled; [`check`] creates one.
#[derive(Clone, Copy, Debug)]
pub struct Suite<F, C, T> {
    driver: F,
    codec: C,
    transport: T,
    largest: usize,
}

/// Generates a method `$case` for each case. It runs the function of that name in `$part`.
macro_rules! cases {
    ($($(#[$doc:meta])* $part:ident::$case:ident;)*) => {
        impl<F, D, C, T> Suite<F, C, T>
        where
            F: Fn(SuiteRole) -> D,
            D: Driver,
            C: Codec,
            T: Transport,
        {
            $($(#[$doc])*
            ///
            /// # Panics
            /// If the requirement is not met.
            pub async fn $case(&self) {
                judge::<C, T>(stringify!($case), $part::$case(self).await);
            })*

            /// Runs all cases one after another, except [`nothing_left`](Self::nothing_left) and
            /// [`no_descriptors`](Self::no_descriptors), which need their own process, and
            /// [`reconnect`](Self::reconnect), which not every transport can do.
            ///
            /// # Panics
            /// If a requirement is not met.
            pub async fn run(&self) {
                $(self.$case().await;)*
            }
        }
    };
}

cases! {
    /// Calls are answered. If the handler fails, the caller receives the handler's own error.
    calls::calls;
    /// 1,000 calls are in flight and answered out of order. Each gets its own answer.
    calls::in_flight;
    /// Oneway messages arrive in the order in which they were sent, and before the call that
    /// follows.
    calls::oneway;
    /// Bodies of 0 bytes up to the largest size return unchanged.
    calls::bodies;
    /// Metadata of a request reaches the worker, and metadata of the answer reaches the host.
    calls::metadata;
    /// A dropped call is cancelled in the worker. Other calls are unaffected.
    calls::cancellation;
    /// A call that times out fails and is cancelled in the worker. Other calls are unaffected.
    calls::timeouts;
    /// An unknown message fails. Other calls are unaffected.
    calls::unknown_message;
    /// A message that cannot be decoded fails. Other calls are unaffected.
    calls::undecodable;
    /// Large and small bodies travel concurrently.
    calls::mixed_sizes;
    /// A worker that does not read slows its callers down. No data is lost.
    calls::slow_reader;
    /// A worker that prints does not disturb its calls.
    calls::printing;
    /// A call whose handler panics fails. Other calls are unaffected.
    calls::panics;
    /// The host's stream delivers one byte at a time.
    calls::dribble;
    /// Handlers of the worker call their host. If the host's handler fails, they receive its own
    /// error.
    callbacks::callbacks;
    /// More callbacks than the host takes at once wait in the worker, and each gets its own answer.
    callbacks::callbacks_in_flight;
    /// A callback is cancelled in the host if the call whose handler made it is dropped.
    callbacks::callbacks_end_with_their_call;
    /// Handlers call their host while the worker drains.
    callbacks::callbacks_while_draining;
    /// A worker is killed while its callback is in flight.
    callbacks::callbacks_of_a_killed_worker;
    /// A callback to a host that serves nothing is an error, which names the remedy.
    callbacks::callbacks_without_a_service;
    /// A worker serves two services whose messages have the same names.
    services::services;
    /// A request of no service reaches the first one, and a request may name its service.
    services::default_service;
    /// A call for a service that the worker does not serve fails before it is sent. A worker that
    /// lacks a required service does not start.
    services::missing_service;
    /// A worker describes itself, says what it is doing, and answers a ping.
    describe::describe;
    /// A host serves two services to its worker.
    services::services_of_the_host;
    /// Items travel from the worker, from the host, and both ways. Either side may send none, and a
    /// handler may answer before the items of its caller end.
    streams::streams;
    /// Items of 0 bytes up to the largest size arrive unchanged, in both directions.
    streams::large_items;
    /// An item that exceeds the frame limit of the other side ends the call with an error, after
    /// the items before it.
    streams::too_large_items;
    /// A handler's own error ends its stream, after the items before it.
    streams::stream_errors;
    /// A stream that is dropped cancels its call in the worker.
    streams::dropped_streams;
    /// Streams that are not polled delay neither calls nor other streams.
    streams::unpolled_streams;
    /// A crash ends a stream with one error, which tells the number of items.
    streams::streams_of_a_crashed_worker;
    /// Streams go on while their worker drains.
    streams::streams_while_draining;
    /// Streams of a worker that announces its end go on while its successor serves new calls.
    streams::streams_at_a_handover;
    /// Handlers of the worker have streams in calls to their host, in both directions.
    streams::streams_in_callbacks;
    /// An idle worker closes.
    life::close_idle;
    /// A worker with calls in flight closes, and the calls fail.
    life::close_in_flight;
    /// A worker is closed twice concurrently, and then once more.
    life::close_twice;
    /// A worker with calls in flight is killed, and the calls fail.
    life::kill;
    /// A worker with a call in flight is drained. The call is answered, and new calls fail.
    life::drain;
    /// A worker that is drained finishes its oneway messages before it ends.
    life::drain_oneway;
    /// A worker ends when its last handle is dropped.
    life::last_handle;
    /// A worker that cannot confirm its close is ended when the grace period is over, with an
    /// error.
    life::close_unresponsive;
    /// The runtime of a worker is dropped. Calls in flight and later ones fail, and the handle
    /// tells the end.
    life::runtime_dropped;
    /// A worker that announces its end finishes its calls while its successor serves new ones.
    leave::handover;
    /// A worker that announces its end and does not end is ended at its limit. Calls go to its
    /// successor.
    leave::drain_timeout;
    /// A worker ends if its host vanishes before, during or after the handshake.
    faults::vanishing_host;
    /// If a worker vanishes before, during or after the handshake, its host gets an error instead
    /// of waiting.
    faults::vanishing_worker;
    /// Garbage from either side instead of the handshake is an error on the other side.
    faults::garbage;
    /// A side that stops writing has ended the connection, even if it still reads. On a transport
    /// [without half-close](Transport::HALF_CLOSE) it must also stop reading.
    faults::half_close;
    /// If a worker stops serving in the middle of calls and keeps running, the calls fail and the
    /// worker is ended.
    faults::stopped_serving;
}

impl<F, D, C, T> Suite<F, C, T>
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    /// Creates a suite. `driver` returns a driver whose worker calls [`SuiteRole::play`] with the
    /// given role, and with the same codec and transport.
    pub fn new(driver: F, codec: C, transport: T) -> Self {
        Self { driver, codec, transport, largest: 32 << 20 }
    }

    /// Sets the size of the largest body in bytes, for a slow codec. Half as many bytes are sent to
    /// a worker that does not read. Default: 32 MiB.
    pub fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// Workers that were closed, killed or dropped leave nothing behind: after `rounds` of them,
    /// this process has as many descriptors as before.
    ///
    /// Descriptors are counted on Linux only. Elsewhere this case only starts and stops workers.
    /// Run it in its own process, as [`alone`] does.
    ///
    /// # Panics
    /// If something is left.
    pub async fn nothing_left(&self, rounds: usize) {
        judge::<C, T>("nothing_left", life::nothing_left(self, rounds).await);
    }

    /// Calls are answered although neither the host nor the worker can open another descriptor.
    ///
    /// The limit of this process is lowered on Unix. Elsewhere this case only makes calls. Run it
    /// in its own process, as [`alone`] does.
    ///
    /// # Panics
    /// If the requirement is not met.
    pub async fn no_descriptors(&self) {
        judge::<C, T>("no_descriptors", faults::no_descriptors(self).await);
    }

    /// A disconnected worker is reached again with its state. Calls in flight and calls meanwhile
    /// fail.
    ///
    /// # Panics
    /// If the requirement is not met.
    pub async fn reconnect(&self)
    where
        T: Reconnect,
    {
        judge::<C, T>("reconnect", life::reconnect(self).await);
        judge::<C, T>("reconnect", callbacks::reconnect(self).await);
        judge::<C, T>("reconnect", services::reconnect(self).await);
        judge::<C, T>("reconnect", streams::reconnect(self).await);
    }

    fn builder(&self, role: SuiteRole) -> Builder<D, C, T> {
        Worker::builder((self.driver)(role))
            .codec(self.codec.clone())
            .transport(self.transport.clone())
            .limits(limits())
            .service(service::SCHEMA)
            // The default startup timeout is too short if many tests share a machine.
            .timeouts(Timeouts::default().startup(STEP_TIMEOUT))
    }

    async fn started(&self) -> Verdict<Worker<Link<C>, T, D>> {
        Ok(within("the start of a worker", self.builder(SuiteRole::Serve).spawn()).await??)
    }
}

/// Time after which a step counts as hung.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// An expectation that was not met.
#[derive(Debug)]
struct Unmet(String);

impl<E: Display> From<E> for Unmet {
    fn from(error: E) -> Self {
        Self(format!("{error:#}"))
    }
}

type Verdict<T = ()> = Result<T, Unmet>;

fn judge<C: Codec, T: Transport>(case: &str, verdict: Verdict) {
    if let Err(Unmet(why)) = verdict {
        panic!("conformance case `{case}` with codec {} on transport {}: {why}", C::ID, T::NAME);
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Verdict<T> {
    let timely = tokio::time::timeout(STEP_TIMEOUT, future).await;
    timely.map_err(|_| Unmet(format!("{what} did not end within {STEP_TIMEOUT:?}")))
}

/// Polls a future once.
async fn poll_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Verdict {
    ensure(got == expected, || format!("{what}: expected {expected:?}, got {got:?}"))
}

fn ensure(holds: bool, expected: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Unmet(expected())) }
}

/// Returns the error of a call that must fail.
fn failure<T: Debug>(what: &str, outcome: Result<T, impl Into<Error>>) -> Verdict<Error> {
    match outcome {
        Ok(value) => Err(Unmet(format!("{what}: expected an error, got {value:?}"))),
        Err(error) => Ok(error.into()),
    }
}
