//! How a worker knows that it is one, and finds its host.

#[cfg_attr(unix, path = "inherited/unix.rs")]
#[cfg_attr(windows, path = "inherited/windows.rs")]
mod system;

use std::any::Any;
use std::cell::RefCell;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{Channel, InMemory, Incoming, Transport, VARIABLE};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::Launch;

thread_local! {
    /// What the worker on this thread was started with, if there is one.
    static LAUNCH: RefCell<Option<Launch>> = const { RefCell::new(None) };
}

/// Whether this process was started by a host, to be its worker; or this thread, by a
/// [`Thread`](crate::Thread) driver.
///
/// A program that is its own worker asks this first thing in `main`. In a process it stays true after `serve` has taken
/// the connection over, on a thread it is true until then; it is false in the processes that a worker starts.
pub fn is_worker() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    LAUNCH.with_borrow(Option::is_some)
        || *ANSWER.get_or_init(|| {
            let (name, address) = match from_environment() {
                Some(inherited) => inherited,
                None => return false,
            };
            // A transport that is not known here: its variable is all there is to go by.
            system::is_inherited(&name, &address).unwrap_or(true)
        })
}

pub(crate) fn set_for_this_thread(launch: Launch) {
    LAUNCH.set(Some(launch));
}

/// The variable for the process of a worker.
pub(crate) fn variable(transport: &str, address: &str) -> (&'static str, String) {
    (VARIABLE, format!("{transport}:{address}"))
}

fn from_environment() -> Option<(String, String)> {
    parse(&std::env::var(VARIABLE).ok()?)
}

/// The transport and the address that [`variable`] has put together.
fn parse(value: &str) -> Option<(String, String)> {
    let (transport, address) = value.split_once(':')?;
    Some((transport.to_owned(), address.to_owned()))
}

/// What this worker was started with, taken once.
pub(crate) struct Inherited {
    pub(crate) transport: String,
    pub(crate) address: String,
    local: Option<Box<dyn Any + Send>>,
}

impl Inherited {
    /// # Errors
    /// `Startup`: nobody started this as a worker.
    pub(crate) fn take() -> Result<Self, Error> {
        let (inherited, local) = match LAUNCH.take() {
            Some(launch) => (parse(&launch.variable.1), launch.inheritance.local),
            None if is_worker() => (from_environment(), None),
            None => (None, None),
        };
        let (transport, address) = inherited.ok_or_else(|| {
            let what = "start it by a host, with `Worker::builder(Program::new(…)).spawn()`";
            let text = format!("this program is a worker and was not started by a host; {what}");
            Error::new(ErrorKind::Startup, text)
        })?;
        Ok(Self { transport, address, local })
    }

    /// Attaches by whichever transport of the box the host has chosen.
    pub(crate) async fn attach(self) -> Result<AnyChannel, Error> {
        if self.transport == InMemory::NAME {
            return self.attach_by(InMemory).await;
        }
        system::attach(self).await
    }

    /// The error for a transport that is not of the box.
    fn unknown(&self) -> Error {
        let text = format!(
            "the host started this worker with the transport {}, which is not known here; pass it to \
             `.transport(…)` of `serve`",
            self.transport
        );
        Error::new(ErrorKind::Handshake, text)
    }

    /// Attaches by this transport, if it is what the host has chosen.
    pub(crate) async fn attach_by<T: Transport>(self, transport: T) -> Result<AnyChannel, Error> {
        if self.transport != T::NAME {
            let text = format!(
                "host and worker do not fit together: the host started this worker with the transport {}, and it \
                 serves on {}; pass the same one to `.transport(…)` on both",
                self.transport,
                T::NAME
            );
            return Err(Error::new(ErrorKind::Handshake, text));
        }
        let attached = match self.local {
            Some(end) => transport.adopt(end).await,
            None => transport.attach(&self.address).await,
        };
        match attached {
            Ok(channel) => Ok(erased(channel)),
            Err(error) => {
                let text =
                    format!("the worker could not attach to its host by {} at {}", T::NAME, self.address);
                Err(Error::with_source(ErrorKind::Startup, text, error))
            }
        }
    }
}

pub(crate) type AnyReader = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type AnyWriter = Box<dyn AsyncWrite + Send + Unpin>;
pub(crate) type AnyChannel = Channel<AnyReader, AnyWriter>;

/// A virtual call beside each system call is the price of a worker that takes whatever transport its host has chosen.
fn erased<R, W>(channel: Channel<R, W>) -> AnyChannel
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Channel { reader, writer, hangup, incoming, residue, .. } = channel;
    let mut any = Channel::new(Box::new(reader) as AnyReader, Box::new(writer) as AnyWriter);
    any.hangup = hangup;
    any.residue = residue;
    any.incoming =
        incoming.map(|mut incoming| Incoming::new(move |cx| incoming.poll_accept(cx).map_ok(erased)));
    any
}
