use std::task::{Context, Poll};
use std::{fmt, io};

use crate::Channel;

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
