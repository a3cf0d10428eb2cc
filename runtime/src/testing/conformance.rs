//! What every transport, codec and driver has to stand, as a [`Suite`] that runs with any three of them.
//!
//! It needs a program that plays the worker:
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
//! and a test that starts it. [`conformance_tests!`](crate::testing::conformance_tests) makes a test of each case:
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
//! A case that fails panics with its name, the codec, the transport, and what was expected. No case sleeps: what it
//! waits for is an event, and it fails where that has not come within 60 s.

mod alone;
mod calls;
mod faults;
mod life;
mod role;
mod service;
mod tests_macro;

use std::fmt::{Debug, Display};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Limits};
use isolated_workers_transport::Transport;

pub use self::alone::{alone, check};
pub use self::role::SuiteRole;
pub use self::service::service;
use crate::{Builder, Driver, Link, Timeouts, Worker};

/// The limits of both sides: room for the largest body in a format that takes twice the bytes.
pub fn limits() -> Limits {
    Limits::default().frame(80 << 20)
}

/// The cases, for one driver, one codec and one transport.
///
/// Every case starts workers of its own, so they can run side by side. All must be run within a tokio runtime with I/O
/// and time enabled; [`check`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Suite<F, C, T> {
    driver: F,
    codec: C,
    transport: T,
    largest: usize,
}

/// `$case` runs the function of that name in `$part`.
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
            /// Where it does not hold.
            pub async fn $case(&self) {
                judge::<C, T>(stringify!($case), $part::$case(self).await);
            })*

            /// Runs all cases, one after the other, but [`nothing_left`](Self::nothing_left), which wants a process of
            /// its own.
            ///
            /// # Panics
            /// Where one of them does not hold.
            pub async fn run(&self) {
                $(self.$case().await;)*
            }
        }
    };
}

cases! {
    /// Calls are answered, with the handler's own error where it fails.
    calls::calls;
    /// A thousand calls in flight, answered in another order, each get their own answer.
    calls::in_flight;
    /// Oneway messages arrive in the order in which they were sent, and before the call that follows them.
    calls::oneway;
    /// Bodies from none to the largest come back as they were.
    calls::bodies;
    /// What travels beside a body reaches the worker, and the answer's reaches the host.
    calls::metadata;
    /// A call that is dropped is stopped in the worker, and harms no other.
    calls::cancellation;
    /// A call whose time is over fails, is stopped in the worker, and harms no other.
    calls::timeouts;
    /// A message that the worker does not know fails alone.
    calls::unknown_message;
    /// A message that cannot be decoded fails alone.
    calls::undecodable;
    /// Large and small bodies at once.
    calls::mixed_sizes;
    /// A worker that does not read holds its callers up, and loses nothing.
    calls::slow_reader;
    /// One byte a call on the host's side.
    calls::dribble;
    /// An idle worker is closed.
    life::close_idle;
    /// A worker is closed with calls in flight, which fail.
    life::close_in_flight;
    /// A worker is closed twice at once, and again.
    life::close_twice;
    /// A worker whose last handle is dropped ends.
    life::last_handle;
    /// A host that vanishes before, within and after the handshake ends its worker.
    faults::vanishing_host;
    /// A worker that vanishes before, within and after the handshake is an error at its host, not a wait.
    faults::vanishing_worker;
    /// Garbage instead of the handshake, from either side, is an error at the other.
    faults::garbage;
    /// A side that writes no more, and still reads, has ended the connection. On a transport [where a direction cannot be
    /// closed alone](Transport::HALF_CLOSE), it has when it reads no more either.
    faults::half_close;
}

impl<F, D, C, T> Suite<F, C, T>
where
    F: Fn(SuiteRole) -> D,
    D: Driver,
    C: Codec,
    T: Transport,
{
    /// A suite whose workers are run by what `driver` makes: a worker that calls [`SuiteRole::play`] with the role, and with
    /// the same codec and transport.
    pub fn new(driver: F, codec: C, transport: T) -> Self {
        Self { driver, codec, transport, largest: 32 << 20 }
    }

    /// Sets the size of the largest body in bytes, for a codec that takes long over one. Half as many bytes are then
    /// sent to a worker that does not read. Default: 32 MiB.
    pub fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// Nothing is left of workers that were closed, killed and dropped: after `rounds` of them this process has as
    /// many descriptors as before. They are counted on Linux; elsewhere this only starts and stops. Run it in a process
    /// where nothing else happens, as [`alone`] does.
    ///
    /// # Panics
    /// Where something is left.
    pub async fn nothing_left(&self, rounds: usize) {
        judge::<C, T>("nothing_left", life::nothing_left(self, rounds).await);
    }

    fn builder(&self, role: SuiteRole) -> Builder<D, C, T> {
        Worker::builder((self.driver)(role))
            .codec(self.codec.clone())
            .transport(self.transport.clone())
            .limits(limits())
            .service(service::SCHEMA)
            // The default of the startup is short where many tests share a machine.
            .timeouts(Timeouts::default().startup(PATIENCE))
    }

    async fn started(&self) -> Verdict<Worker<Link<C>, T, D>> {
        Ok(within("the start of a worker", self.builder(SuiteRole::Serve).spawn()).await??)
    }
}

/// Long enough that only what would hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was expected and is not so.
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
    let timely = tokio::time::timeout(PATIENCE, future).await;
    timely.map_err(|_| Unmet(format!("{what} was not over within {PATIENCE:?}")))
}

fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Verdict {
    ensure(got == expected, || format!("{what}: expected {expected:?}, got {got:?}"))
}

fn ensure(holds: bool, expected: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Unmet(expected())) }
}

/// Takes the error of a call that has to fail.
fn failure<T: Debug>(what: &str, outcome: Result<T, impl Into<Error>>) -> Verdict<Error> {
    match outcome {
        Ok(value) => Err(Unmet(format!("{what}: expected an error, got {value:?}"))),
        Err(error) => Ok(error.into()),
    }
}
