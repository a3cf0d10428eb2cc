use std::task::{Context, Poll};
use std::{fmt, io};

use crate::Cleanup;

/// A connected stream of bytes, one direction each.
#[non_exhaustive]
pub struct Channel<R, W> {
    /// Where frames come from.
    pub reader: R,
    /// Where frames go.
    pub writer: W,
    /// Blocks its thread until the other side is gone, where the transport can tell: until it reads no more and writes
    /// no more. A worker uses it to end even when its runtime is busy. It may hold on to descriptors of the channel, so
    /// run it or drop it.
    pub hangup: Option<Box<dyn FnOnce() + Send>>,
    /// On a worker that can be reached again: the connections that follow this one. Dropping it makes the worker
    /// unreachable; what is connected stays so.
    pub incoming: Option<Incoming<R, W>>,
    /// On the host of a worker that can be reached again, where something has to be done for that: open it before the worker
    /// is left. `None`: the address that the worker was born with is where it is reached.
    pub deferred_listener: Option<DeferredListener>,
    /// What has to be removed once the worker is gone. On the host keep it until the worker has ended, not only until
    /// this channel has; on the worker until the process ends.
    pub cleanup: Option<Cleanup>,
}

impl<R, W> Channel<R, W> {
    /// A channel that cannot tell by itself when the other side is gone.
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader, writer, hangup: None, incoming: None, deferred_listener: None, cleanup: None }
    }

    /// A channel where `hangup` blocks until the other side is gone.
    pub fn with_hangup(reader: R, writer: W, hangup: impl FnOnce() + Send + 'static) -> Self {
        Self { hangup: Some(Box::new(hangup)), ..Self::new(reader, writer) }
    }

    /// Adds the connections that follow this one.
    pub fn incoming(mut self, incoming: Incoming<R, W>) -> Self {
        self.incoming = Some(incoming);
        self
    }

    /// Adds what has to be opened for the worker to be reached again.
    pub fn deferred_listener(mut self, deferred_listener: DeferredListener) -> Self {
        self.deferred_listener = Some(deferred_listener);
        self
    }

    /// Adds what has to be removed once the worker is gone.
    pub fn cleanup(mut self, cleanup: Cleanup) -> Self {
        self.cleanup = Some(cleanup);
        self
    }
}

impl<R, W> fmt::Debug for Channel<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

type Open = dyn FnMut() -> io::Result<(String, Cleanup)> + Send;

/// Where a worker will be reached again, which takes a name in the file system or the like: as few workers are ever left,
/// none is made before.
pub struct DeferredListener(Box<Open>);

impl DeferredListener {
    /// One that `open` opens: it returns the address for [`Reconnect::dial`](crate::Reconnect::dial), and what has to be removed
    /// once the worker is gone. It may be called again where it has failed.
    pub fn new(open: impl FnMut() -> io::Result<(String, Cleanup)> + Send + 'static) -> Self {
        Self(Box::new(open))
    }

    /// Opens it. From now on the worker can be dialled, and takes the connection once this one has ended.
    ///
    /// # Errors
    /// What kept it from being opened. The connection goes on.
    pub fn open(&mut self) -> io::Result<(String, Cleanup)> {
        (self.0)()
    }
}

impl fmt::Debug for DeferredListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredListener").finish_non_exhaustive()
    }
}

type Accept<R, W> = dyn FnMut(&mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> + Send;

/// Further connections to a running worker, one after the other.
pub struct Incoming<R, W>(Box<Accept<R, W>>);

impl<R, W> Incoming<R, W> {
    /// Connections that `poll` accepts. It must lose none where it is not polled again for a while.
    pub fn new(
        poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> + Send + 'static,
    ) -> Self {
        Self(Box::new(poll))
    }

    /// QueueStats for the next connection. Cancel-safe.
    ///
    /// # Errors
    /// The listener itself is broken. A connection that is refused, and a lack of descriptors, are no errors: the next
    /// one is waited for.
    pub async fn accept(&mut self) -> io::Result<Channel<R, W>> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls for the next connection.
    ///
    /// # Errors
    /// As those of [`accept`](Self::accept).
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> {
        (self.0)(context)
    }
}

impl<R, W> fmt::Debug for Incoming<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
