use std::any::Any;
use std::io;

use tokio::io::AsyncWrite;

use crate::{Channel, Inheritance, TryRead};

/// Byte stream between a host and a worker: creates both ends.
///
/// Reader and writer are separate types. On some transports they are separate objects (a pair of
/// pipes); on the others they can be used at the same time without a lock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    note = "use `DefaultTransport`, `UnixSocket`, `SocketPair`, `Stdio`, `NamedPipe` or `InMemory`, or implement `Transport` for your own type"
)]
pub trait Transport: Clone + Send + Sync + 'static {
    /// Name of the transport. The handshake compares it, and a worker learns from it which
    /// transport it was started with.
    const NAME: &'static str;
    /// `true` if one direction can be closed alone: shutting the writer down ends the other side's
    /// reader, and this side can still read. If `false`, the other side sees the end only after
    /// both halves are dropped. Default: `true`.
    const HALF_CLOSE: bool = true;

    /// The half that frames are read from.
    type Reader: TryRead + Send + Unpin + 'static;
    /// The half that frames are written to.
    type Writer: AsyncWrite + Send + Unpin + 'static;
    /// The host's end before the worker is connected.
    type Bound: Bound<Reader = Self::Reader, Writer = Self::Writer>;

    /// Creates an end that the worker can reach. The host calls it before the worker exists, within
    /// a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Returns an error if the end could not be created. The error text names the end.
    fn bind(&self) -> io::Result<Self::Bound>;

    /// Returns `true` if this process has inherited the end at `address`. Called on the worker. A
    /// process that a worker starts has the worker's environment, but not its end.
    fn is_inherited(&self, address: &str) -> bool;

    /// Takes over the inherited end. The worker calls it once, within a tokio runtime with I/O and
    /// time enabled. Not cancel-safe: a cancelled `attach` loses the end.
    ///
    /// # Errors
    /// Returns an error if the end was not inherited, or if the process behind it belongs to
    /// another user.
    fn attach(
        &self,
        address: &str,
    ) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;

    /// Takes over the end in [`Inheritance::local`], for a worker in the host's process. The
    /// default returns an error, because most transports only reach another process.
    ///
    /// Not cancel-safe: a cancelled `adopt` loses the end.
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
/// Methods of a worker that need a second connection exist only on such transports.
#[diagnostic::on_unimplemented(
    message = "a worker on the transport `{Self}` cannot be reached again once it is disconnected",
    note = "`disconnect`, `reconnect` and attaching need a transport that can dial, such as `UnixSocket`"
)]
pub trait Reconnect: Transport {
    /// Connects to the worker that listens at `address`, the address of its [`Inheritance`] or of
    /// its [`DeferredListener`](crate::DeferredListener). Called on the host.
    ///
    /// Cancel-safe. The channel's [`cleanup`](Channel::cleanup) is the worker's cleanup. If this
    /// host already holds a cleanup for the same worker, [disarm](crate::Cleanup::disarm) the older
    /// one.
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

    /// Returns the address and descriptors that the worker must be started with to reach this end.
    /// Called once.
    fn inheritance(&mut self) -> Inheritance;

    /// Waits for the worker, which has been started.
    ///
    /// # Errors
    /// Returns an error if the worker could not connect. Some transports do not detect that the
    /// worker died, so drop this future when the worker's process ends.
    fn establish(self) -> impl Future<Output = io::Result<Channel<Self::Reader, Self::Writer>>> + Send;
}
