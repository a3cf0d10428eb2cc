use std::process::Stdio;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite};

/// A way for bytes to travel between a host and a worker process.
///
/// Reading and writing are separate types, because they are separate things on some transports (a pair of pipes) and
/// can be used at the same time without a lock on the others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    note = "use `UnixSocket`, or implement `Transport` for a type of your own"
)]
pub trait Transport: Clone + Send + Sync + 'static {
    /// What the handshake compares, and how a worker knows which transport it was started with.
    const NAME: &'static str;

    /// Where frames come from.
    type Reader: AsyncRead + Send + Unpin + 'static;
    /// Where frames go.
    type Writer: AsyncWrite + Send + Unpin + 'static;
    /// The host's end before the worker is connected.
    type Bound: Bound<Reader = Self::Reader, Writer = Self::Writer>;

    /// On the host, before the worker exists: makes an end that it can reach.
    ///
    /// # Errors
    /// What kept the end from being made; the text names it.
    fn bind(&self) -> io::Result<Self::Bound>;

    /// On the worker: whether this process has inherited the end that `address` tells of. A process that a worker
    /// starts has the worker's environment, but not its end.
    fn is_inherited(&self, address: &str) -> bool;

    /// On the worker: takes the inherited end over. Must be called within a tokio runtime, and once.
    ///
    /// # Errors
    /// The end is not there, or the process behind it is not to be trusted.
    fn attach(
        &self,
        address: &str,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}

/// The host's end of a transport, before the worker is connected.
pub trait Bound: Send + 'static {
    /// Where frames come from.
    type Reader;
    /// Where frames go.
    type Writer;

    /// What the worker must be born with to reach this end. Asked once.
    fn inheritance(&mut self) -> Inheritance;

    /// Waits for the worker, which has been started.
    ///
    /// # Errors
    /// What kept the worker from connecting. That it died is not seen here; whoever started it drops this future then.
    fn establish(self) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}

/// What a worker process is born with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inheritance {
    /// What [`Transport::attach`] needs to find its end. No secret: it is seen in the environment.
    pub address: String,
    /// What becomes the standard input of the process. `None`: nothing is to be read there.
    pub stdin: Option<Stdio>,
}

impl Inheritance {
    /// An address, and nothing else.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), stdin: None }
    }

    /// Something that becomes the standard input of the process.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }
}

/// A connected stream of bytes, one direction each.
#[non_exhaustive]
pub struct Channel<R, W> {
    /// Where frames come from.
    pub reader: R,
    /// Where frames go.
    pub writer: W,
    /// Blocks its thread until the other side is gone, where the transport can tell. A worker uses it to end even
    /// when its runtime is busy.
    pub hangup: Option<Box<dyn FnOnce() + Send>>,
}

impl<R, W> Channel<R, W> {
    /// A channel that cannot tell by itself when the other side is gone.
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader, writer, hangup: None }
    }

    /// A channel where `hangup` blocks until the other side is gone.
    pub fn with_hangup(reader: R, writer: W, hangup: impl FnOnce() + Send + 'static) -> Self {
        Self { reader, writer, hangup: Some(Box::new(hangup)) }
    }
}

impl<R, W> fmt::Debug for Channel<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
