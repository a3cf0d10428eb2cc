use std::task::{Context, Poll};
use std::{fmt, io};

use crate::{ChannelDescriptors, Cleanup, DeferredListener};

/// A connected byte stream: a reader and a writer.
#[non_exhaustive]
pub struct Channel<R, W> {
    /// The half that frames are read from.
    pub reader: R,
    /// The half that frames are written to.
    pub writer: W,
    /// Closure that blocks its thread until the other side is gone: until it neither reads nor
    /// writes any more. `None` if the transport cannot detect that.
    ///
    /// A worker runs it on a separate thread, so that the process ends even if its runtime is busy.
    /// The closure may hold descriptors of the channel, so either run or drop it.
    pub hangup: Option<Box<dyn FnOnce() + Send>>,
    /// Connections after this one, on a worker that can be reached again. Dropping the value makes
    /// the worker unreachable; an open connection stays open.
    pub incoming: Option<Incoming<R, W>>,
    /// `true` if the channel was accepted from the listener of [`incoming`](Self::incoming), so
    /// that another process may have connected before the host. A worker then also accepts the
    /// connections after it, and serves the first that sends a whole hello.
    pub is_contested: bool,
    /// Listener to open before the host disconnects, on the host of a worker that can be reached
    /// again. `None` if the worker is reached at the address that it was started with.
    pub deferred_listener: Option<DeferredListener>,
    /// Cleanup to run once the worker is gone. The host keeps it until the worker has ended, which
    /// may be later than the end of this channel. The worker keeps it until its process ends.
    pub cleanup: Option<Cleanup>,
    /// Descriptors that the channel carries beside its bytes. `None` if the transport carries none.
    pub descriptors: Option<ChannelDescriptors>,
}

impl<R, W> Channel<R, W> {
    /// Returns a channel that cannot detect the end of the other side except by reading and
    /// writing.
    pub fn new(reader: R, writer: W) -> Self {
        Self {
            reader,
            writer,
            hangup: None,
            incoming: None,
            is_contested: false,
            deferred_listener: None,
            cleanup: None,
            descriptors: None,
        }
    }

    /// Returns a channel whose `hangup` blocks until the other side is gone.
    pub fn with_hangup(reader: R, writer: W, hangup: impl FnOnce() + Send + 'static) -> Self {
        Self { hangup: Some(Box::new(hangup)), ..Self::new(reader, writer) }
    }

    /// Adds the connections after this one.
    pub fn incoming(mut self, incoming: Incoming<R, W>) -> Self {
        self.incoming = Some(incoming);
        self
    }

    /// Adds the connections after this one, from the listener that has accepted this one too.
    pub fn contested(self, incoming: Incoming<R, W>) -> Self {
        Self { is_contested: true, ..self.incoming(incoming) }
    }

    /// Adds the listener to open before the host disconnects.
    pub fn deferred_listener(mut self, listener: DeferredListener) -> Self {
        self.deferred_listener = Some(listener);
        self
    }

    /// Adds the cleanup to run once the worker is gone.
    pub fn cleanup(mut self, cleanup: Cleanup) -> Self {
        self.cleanup = Some(cleanup);
        self
    }

    /// Adds the descriptors that the channel carries, whose queues its halves share.
    pub fn descriptors(mut self, descriptors: ChannelDescriptors) -> Self {
        self.descriptors = Some(descriptors);
        self
    }
}

impl<R, W> fmt::Debug for Channel<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

type Accept<R, W> = dyn FnMut(&mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> + Send;

/// Further connections to a running worker, accepted one at a time.
pub struct Incoming<R, W>(Box<Accept<R, W>>);

impl<R, W> Incoming<R, W> {
    /// Returns the connections that `poll` accepts. `poll` must not lose a connection if it is not
    /// polled for a while.
    pub fn new(
        poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> + Send + 'static,
    ) -> Self {
        Self(Box::new(poll))
    }

    /// Waits for the next connection. Cancel-safe.
    ///
    /// # Errors
    /// Returns an error if the listener itself is broken. A refused connection and a shortage of
    /// descriptors are not errors: `accept` keeps waiting.
    pub async fn accept(&mut self) -> io::Result<Channel<R, W>> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    /// Polls for the next connection.
    ///
    /// # Errors
    /// Returns the same errors as [`accept`](Self::accept).
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Channel<R, W>>> {
        (self.0)(context)
    }
}

impl<R, W> fmt::Debug for Incoming<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
