use std::any::Any;
use std::process::Stdio;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Channel;

/// The environment variable that tells a worker its channel: [`Transport::NAME`], a colon, [`Inheritance::address`].
pub const CHANNEL_VARIABLE: &str = "ISOLATED_WORKERS_CHANNEL";

/// The environment variable that, whatever its value, lets a worker keep the descriptors that it was born with. Without
/// it they are closed before `main`, but for the standard streams.
pub const INHERIT_VARIABLE: &str = "ISOLATED_WORKERS_INHERIT";

/// A way for bytes to travel between a host and a worker process.
///
/// Reading and writing are separate types, because they are separate things on some transports (a pair of pipes) and
/// can be used at the same time without a lock on the others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    note = "use `DefaultTransport`, `UnixSocket`, `SocketPair`, `Stdio`, `NamedPipe` or `InMemory`, or implement `Transport` for a type of your own"
)]
pub trait Transport: Clone + Send + Sync + 'static {
    /// What the handshake compares, and how a worker knows which transport it was started with.
    const NAME: &'static str;
    /// Whether a direction can be closed alone: whether shutting the writer down ends the other side's reader, while
    /// this side goes on reading. Where it is `false`, a side is heard to be done when it has dropped both. Default:
    /// `true`.
    const HALF_CLOSE: bool = true;

    /// Where frames come from.
    type Reader: AsyncRead + Send + Unpin + 'static;
    /// Where frames go.
    type Writer: AsyncWrite + Send + Unpin + 'static;
    /// The host's end before the worker is connected.
    type Bound: Bound<Reader = Self::Reader, Writer = Self::Writer>;

    /// On the host, before the worker exists: makes an end that it can reach. Must be called within a tokio runtime
    /// with I/O enabled.
    ///
    /// # Errors
    /// What kept the end from being made; the text names it.
    fn bind(&self) -> io::Result<Self::Bound>;

    /// On the worker: whether this process has inherited the end that `address` tells of. A process that a worker
    /// starts has the worker's environment, but not its end.
    fn is_inherited(&self, address: &str) -> bool;

    /// On the worker: takes the inherited end over. Must be called within a tokio runtime with I/O and time enabled, and
    /// once. Not cancel-safe: an end that was taken over halfway is lost.
    ///
    /// # Errors
    /// The end is not there, or the process behind it is not to be trusted.
    fn attach(
        &self,
        address: &str,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;

    /// On a worker in the host's process: takes over the end that [`Inheritance::local`] holds. The default refuses,
    /// because most transports reach another process only.
    ///
    /// # Errors
    /// This transport has no such ends.
    fn adopt(
        &self,
        end: Box<dyn Any + Send>,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send {
        drop(end);
        let why = format!(
            "the transport {} reaches other processes only; use `InMemory` with a thread",
            Self::NAME
        );
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, why)))
    }
}

/// A transport whose worker can be reached again, by a second connection to the same running worker.
///
/// The methods of a worker that need it exist only on such transports.
#[diagnostic::on_unimplemented(
    message = "a worker on the transport `{Self}` cannot be reached again once it is disconnected",
    note = "`disconnect`, `reconnect` and attaching need a transport that can dial, such as `UnixSocket`"
)]
pub trait Reconnect: Transport {
    /// On the host: connects to the worker that listens at `address`, which is that of its [`Inheritance`].
    ///
    /// # Errors
    /// Nobody listens there any more, or the process that does is not to be trusted.
    ///
    /// Cancel-safe. The channel's [`cleanup`](Channel::cleanup) is that of the worker: where this host has one of the
    /// same worker already, [leave](crate::Cleanup::disarm) the older.
    fn dial(
        &self,
        address: &str,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}

/// The host's end of a transport, before the worker is connected.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no host's end of a transport",
    note = "implement `Bound` for it: what the worker inherits, and how to wait for it"
)]
pub trait Bound: Send + 'static {
    /// Where frames come from.
    type Reader;
    /// Where frames go.
    type Writer;

    /// What the worker must be born with to reach this end. Asked once.
    fn inheritance(&mut self) -> Inheritance;

    /// QueueStats for the worker, which has been started.
    ///
    /// # Errors
    /// What kept the worker from connecting. That it died is not seen here by every transport; whoever started it drops
    /// this future then.
    fn establish(self) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}

/// What a worker is born with.
#[non_exhaustive]
pub struct Inheritance {
    /// What [`Transport::attach`] needs to find its end. No secret: it is seen in the environment.
    pub address: String,
    /// What becomes the standard input of the process. `None`: nothing is to be read there.
    pub stdin: Option<Stdio>,
    /// What becomes the standard output of the process. `None`: that of the host, or what its driver says.
    pub stdout: Option<Stdio>,
    /// The other end itself, for a worker in this process: what [`Transport::adopt`] takes.
    pub local: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for Inheritance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inheritance").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Inheritance {
    /// An address, and nothing else.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), stdin: None, stdout: None, local: None }
    }

    /// Something that becomes the standard input of the process.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Something that becomes the standard output of the process.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// The other end itself, for a worker in this process.
    pub fn local(mut self, end: impl Any + Send) -> Self {
        self.local = Some(Box::new(end));
        self
    }
}
