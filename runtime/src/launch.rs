//! Launch data that a driver passes to its worker: the transport and the address of the host.
//!
//! Drivers write this data (a [`Launch`]), workers read it ([`is_worker`], [`Inherited`]).

#[cfg_attr(unix, path = "launch/unix/dir_lock.rs")]
#[cfg_attr(windows, path = "launch/windows/dir_lock.rs")]
mod dir_lock;
mod entry;
mod inherited;
mod scratch_dir;
#[cfg_attr(unix, path = "launch/unix.rs")]
#[cfg_attr(windows, path = "launch/windows.rs")]
mod system;
mod worker_event;

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{CHANNEL_VARIABLE, Inheritance, Transport};

pub(crate) use self::dir_lock::DirLock;
pub(crate) use self::entry::{ENTRY_VARIABLE, entry};
pub(crate) use self::inherited::{AnyChannel, AnyReader, AnyWriter, Inherited};
pub(crate) use self::scratch_dir::SCRATCH_DIR_VARIABLE;
pub use self::scratch_dir::scratch_dir;
#[cfg(feature = "events")]
pub(crate) use self::worker_event::Fields;
pub(crate) use self::worker_event::{EVENTS_VARIABLE, FieldValue, MAX_LINE_BYTES, WorkerEvent};

/// `true` once this process has begun to serve as a worker.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Launch of the worker on this thread, if a [`Thread`](crate::Thread) driver started it.
    static THREAD_LAUNCH: RefCell<Option<Launch>> = const { RefCell::new(None) };
}

/// Data that a worker needs to find its host.
#[derive(Debug)]
#[non_exhaustive]
pub struct Launch {
    /// Environment variable and its value, for a worker that is a process.
    pub variable: (&'static str, String),
    /// Streams and values that the worker starts with.
    pub inheritance: Inheritance,
    /// Confinement of the worker. A driver that cannot confine its workers returns no report in
    /// [`Running::sandbox`](crate::Running::sandbox), and the start fails.
    #[cfg(feature = "sandbox")]
    pub sandbox: Option<crate::sandbox::Sandbox>,
}

impl Launch {
    pub(crate) fn new<T: Transport, C: Codec>(inheritance: Inheritance, handshake: bool) -> Self {
        let variable = variable(T::NAME, C::ID, &inheritance.address, handshake);
        Self {
            variable,
            inheritance,
            #[cfg(feature = "sandbox")]
            sandbox: None,
        }
    }

    /// Makes this the launch of the worker on the current thread.
    pub(crate) fn set_for_this_thread(self) {
        THREAD_LAUNCH.set(Some(self));
    }
}

/// Returns `true` if a host started this process as its worker, or if a [`Thread`](crate::Thread)
/// driver started this thread as one.
///
/// A program that is its own worker calls this first in `main`. In a process, the result stays
/// `true` after `serve` has taken over the connection. On a thread, it is `true` until then. In
/// processes that a worker starts, it is `false`.
pub fn is_worker() -> bool {
    THREAD_LAUNCH.with_borrow(Option::is_some) || process_host().is_some()
}

/// Checks that this process may start another one. A worker that does not know that it is one would
/// start itself, and each of its workers would do the same without end.
///
/// # Errors
/// `Config` if this process was started as a worker and has not begun to serve.
pub(crate) fn check_may_start(program: &str) -> Result<(), Error> {
    if !must_serve() {
        return Ok(());
    }
    let cause = "this process was itself started as a worker, and has not begun to serve";
    let remedy = "begin `main` with `if is_worker() { return serve(..).await; }`";
    let text = format!("could not start the worker {program}: {cause}; {remedy}");
    Err(Error::new(ErrorKind::Config, text))
}

/// Returns `true` if this process was started as a worker and has not begun to serve.
pub(crate) fn must_serve() -> bool {
    process_host().is_some() && !HAS_BEGUN.load(Ordering::Acquire)
}

fn variable(transport: &str, codec: &str, address: &str, handshake: bool) -> (&'static str, String) {
    let own = || (CHANNEL_VARIABLE, format!("{transport}:{address}"));
    system::variable(transport, codec, address, handshake).unwrap_or_else(own)
}

/// Address of a worker's host, and its transport and settings.
#[derive(Clone, Debug)]
struct HostInfo {
    transport: String,
    address: String,
    /// Settings from the startup variable of the Node.js library. `None` with any other variable.
    node: Option<NodeSettings>,
}

/// Settings in the startup variable of the Node.js library.
#[derive(Clone, Debug)]
struct NodeSettings {
    /// Codec of the host, if it names one.
    codec: Option<String>,
    /// Time after which the worker stops waiting for its host to connect. Zero means no limit.
    connect_timeout: Duration,
    handshake: bool,
}

impl HostInfo {
    /// Parses the value of [`CHANNEL_VARIABLE`].
    fn parse(value: &str) -> Option<Self> {
        let (transport, address) = value.split_once(':')?;
        Some(Self { transport: transport.to_owned(), address: address.to_owned(), node: None })
    }
}

/// Returns the host of this process, if this process is a worker.
///
/// The result is cached, because it would change once the worker has taken over its channel.
fn process_host() -> Option<Result<HostInfo, Error>> {
    static HOST: OnceLock<Option<Result<HostInfo, Error>>> = OnceLock::new();
    // The variable of an unknown transport is trusted: nothing else can be checked.
    let is_for_us = |host: &HostInfo| system::is_inherited(&host.transport, &host.address).unwrap_or(true);
    let find = || {
        let own = std::env::var(CHANNEL_VARIABLE).ok().and_then(|value| HostInfo::parse(&value));
        let other = || system::from_environment().filter(|host| host.as_ref().map_or(true, is_for_us));
        own.filter(is_for_us).map(Ok).or_else(other)
    };
    HOST.get_or_init(find).clone()
}
