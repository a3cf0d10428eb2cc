use std::any::Any;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Channel, Inheritance};

/// A way for bytes to travel between a host and a worker.
///
/// Reader and writer are separate types. On some transports they are separate objects (a pair of
/// pipes); on the others they can be used at the same time without a lock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    note = "use `DefaultTransport`, `UnixSocket`, `SocketPair`, `Stdio`, `NamedPipe` or `InMemory`, or implement `Transport` for a type of your own"
)]
pub trait Transport: Clone + Send + Sync + 'static {
    /// Name of the transport. The handshake compares it, and a worker learns from it which
    /// transport it was started with.
    const NAME: &'static str;
    /// `true` if one direction can be closed alone: shutting the writer down ends the other side's
    /// reader, and this side goes on reading. If `false`, the other side sees the end only after
    /// both halves were dropped. Default: `true`.
    const HALF_CLOSE: bool = true;

    /// The half that frames are read from.
    type Reader: AsyncRead + Send + Unpin + 'static;
    /// The half that frames are written to.
    type Writer: AsyncWrite + Send + Unpin + 'static;
    /// The host's end before the worker is connected.
    type Bound: Bound<Reader = Self::Reader, Writer = Self::Writer>;

    /// On the host, before the worker exists: makes an end that the worker can reach. Call it
    /// within a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Returns the error that kept the end from being made; its text names the end.
    fn bind(&self) -> io::Result<Self::Bound>;

    /// On the worker: returns `true` if this process has inherited the end at `address`. A process
    /// that a worker starts has the worker's environment, but not its end.
    fn is_inherited(&self, address: &str) -> bool;

    /// On the worker: takes the inherited end over. Call it once, within a tokio runtime with I/O
    /// and time enabled. Not cancel-safe: a cancelled `attach` loses the end.
    ///
    /// # Errors
    /// Returns an error if the end was not inherited, or if the process behind it belongs to
    /// another user.
    fn attach(
        &self,
        address: &str,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;

    /// On a worker in the host's process: takes over the end in [`Inheritance::local`]. The default
    /// returns an error, because most transports only reach another process.
    ///
    /// # Errors
    /// Returns an error if this transport did not make `end`.
    fn adopt(
        &self,
        end: Box<dyn Any + Send>,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send {
        drop(end);
        let text = format!(
            "could not adopt the worker's end: the transport {} only reaches other processes; use `InMemory` with a \
             thread",
            Self::NAME
        );
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, text)))
    }
}

/// A transport whose worker can be reached again, by a second connection to the same running
/// worker.
///
/// The methods of a worker that need it exist only on such transports.
#[diagnostic::on_unimplemented(
    message = "a worker on the transport `{Self}` cannot be reached again once it is disconnected",
    note = "`disconnect`, `reconnect` and attaching need a transport that can dial, such as `UnixSocket`"
)]
pub trait Reconnect: Transport {
    /// On the host: connects to the worker that listens at `address`, the address of its
    /// [`Inheritance`] or of its [`DeferredListener`](crate::DeferredListener).
    ///
    /// Cancel-safe. The channel's [`cleanup`](Channel::cleanup) is that of the worker. If this host
    /// already holds one for the same worker, [disarm](crate::Cleanup::disarm) the older.
    ///
    /// # Errors
    /// Returns an error if nothing listens there any more, or if the listening process belongs to
    /// another user.
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
    /// The half that frames are read from.
    type Reader;
    /// The half that frames are written to.
    type Writer;

    /// Returns what the worker must be started with to reach this end. Called once.
    fn inheritance(&mut self) -> Inheritance;

    /// Waits for the worker, which has been started.
    ///
    /// # Errors
    /// Returns the error that kept the worker from connecting. Not every transport detects that the
    /// worker died. Drop this future when the process ends.
    fn establish(self) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}
