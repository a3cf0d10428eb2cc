//! How a worker knows that it is one, and finds its host.

#[cfg_attr(unix, path = "inherited/unix.rs")]
#[cfg_attr(windows, path = "inherited/windows.rs")]
mod system;

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{CHANNEL_VARIABLE, Channel, InMemory, Incoming, Transport};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::Launch;
use crate::timeouts::elapsed;

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
    LAUNCH.with_borrow(Option::is_some) || of_this_process().is_some()
}

pub(crate) fn set_for_this_thread(launch: Launch) {
    LAUNCH.set(Some(launch));
}

/// The variable for the process of a worker.
pub(crate) fn variable(
    transport: &str,
    codec: &str,
    address: &str,
    handshake: bool,
) -> (&'static str, String) {
    let own = || (CHANNEL_VARIABLE, format!("{transport}:{address}"));
    system::variable(transport, codec, address, handshake).unwrap_or_else(own)
}

/// What a worker is told of its host.
#[derive(Clone, Debug)]
struct Told {
    transport: String,
    address: String,
    /// Where the host may be one in another language.
    elsewhere: Option<Elsewhere>,
}

/// What such a host tells besides.
#[derive(Clone, Debug)]
struct Elsewhere {
    /// The codec that it has, where it says so.
    codec: Option<String>,
    /// How long it may take to connect. Zero is no limit.
    connect_timeout: Duration,
    handshake: bool,
}

impl Told {
    /// What the value of [`CHANNEL_VARIABLE`] says.
    fn parse(value: &str) -> Option<Self> {
        let (transport, address) = value.split_once(':')?;
        Some(Self { transport: transport.to_owned(), address: address.to_owned(), elsewhere: None })
    }
}

/// Asked once: when the worker has taken its end over, the answer would be another one.
fn of_this_process() -> Option<Result<Told, Error>> {
    static ANSWER: OnceLock<Option<Result<Told, Error>>> = OnceLock::new();
    // A transport that is not known here: its variable is all there is to go by.
    let is_meant = |told: &Told| system::is_inherited(&told.transport, &told.address).unwrap_or(true);
    let ask = || {
        let own = std::env::var(CHANNEL_VARIABLE).ok().and_then(|value| Told::parse(&value));
        let other = || system::from_environment().filter(|told| told.as_ref().map_or(true, is_meant));
        own.filter(is_meant).map(Ok).or_else(other)
    };
    ANSWER.get_or_init(ask).clone()
}

/// What this worker was started with, taken once.
pub(crate) struct Inherited {
    told: Told,
    local: Option<Box<dyn Any + Send>>,
    /// Whether it has a process of its own.
    is_process: bool,
}

impl Inherited {
    /// # Errors
    /// `Startup`: nobody started this as a worker.
    pub(crate) fn take() -> Result<Self, Error> {
        let (told, local, is_process) = match LAUNCH.take() {
            Some(Launch { variable: (variable, value), inheritance }) => {
                let told = system::told(variable, &value).or_else(|| Told::parse(&value).map(Ok));
                (told, inheritance.local, false)
            }
            None => (of_this_process(), None, true),
        };
        let told = told.unwrap_or_else(|| {
            let what = "start it by a host, with `Worker::builder(Program::new(…)).spawn()`";
            let text = format!("this program is a worker and was not started by a host; {what}");
            Err(Error::new(ErrorKind::Startup, text))
        })?;
        Ok(Self { told, local, is_process })
    }

    /// The name of the transport that the host has chosen.
    pub(crate) fn transport(&self) -> &str {
        &self.told.transport
    }

    /// Whether the host says what it is before it sends anything else.
    pub(crate) fn has_handshake(&self) -> bool {
        self.told.elsewhere.as_ref().is_none_or(|host| host.handshake)
    }

    /// Refuses another codec than that of a host without a handshake, as far as it tells.
    ///
    /// # Errors
    /// `Handshake`: they differ.
    pub(crate) fn check_codec(&self, own: &str) -> Result<(), Error> {
        let told = self.told.elsewhere.as_ref().filter(|host| !host.handshake);
        match told.and_then(|host| host.codec.as_deref()) {
            Some(theirs) if theirs != own => {
                let text = format!(
                    "host and worker do not fit together: the codec of this worker is {own}, that of the host is \
                     {theirs}; pass the same one to `.codec(…)` on both"
                );
                Err(Error::new(ErrorKind::Handshake, text))
            }
            _ => Ok(()),
        }
    }

    /// Whether the worker has a process of its own.
    pub(crate) fn is_process(&self) -> bool {
        self.is_process
    }

    /// Attaches by whichever transport of the box the host has chosen.
    pub(crate) async fn attach(self) -> Result<AnyChannel, Error> {
        if self.transport() == InMemory::NAME {
            return self.attach_by(InMemory).await;
        }
        system::attach(self).await
    }

    /// The error for a transport that is not of the box.
    fn unknown(&self) -> Error {
        let text = format!(
            "the host started this worker with the transport {}, which is not known here; pass it to \
             `.transport(…)` of `serve`",
            self.transport()
        );
        Error::new(ErrorKind::Handshake, text)
    }

    /// Attaches by this transport, if it is what the host has chosen.
    pub(crate) async fn attach_by<T: Transport>(self, transport: T) -> Result<AnyChannel, Error> {
        if self.transport() != T::NAME {
            let text = format!(
                "host and worker do not fit together: the host started this worker with the transport {}, and it \
                 serves on {}; pass the same one to `.transport(…)` on both",
                self.transport(),
                T::NAME
            );
            return Err(Error::new(ErrorKind::Handshake, text));
        }
        let Told { address, elsewhere, .. } = self.told;
        let limit = elsewhere.map_or(Duration::ZERO, |host| host.connect_timeout);
        let attaching = async {
            match self.local {
                Some(end) => transport.adopt(end).await,
                None => transport.attach(&address).await,
            }
        };
        let attached = tokio::select! {
            attached = attaching => attached,
            () = elapsed(limit) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("the host did not connect within {limit:?}")))
            }
        };
        attached.map(erased).map_err(|error| {
            let text = format!("the worker could not attach to its host by {} at {address}", T::NAME);
            Error::with_source(ErrorKind::Startup, text, error)
        })
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
    let Channel { reader, writer, hangup, incoming, cleanup, .. } = channel;
    let mut any = Channel::new(Box::new(reader) as AnyReader, Box::new(writer) as AnyWriter);
    any.hangup = hangup;
    any.cleanup = cleanup;
    any.incoming =
        incoming.map(|mut incoming| Incoming::new(move |cx| incoming.poll_accept(cx).map_ok(erased)));
    any
}
