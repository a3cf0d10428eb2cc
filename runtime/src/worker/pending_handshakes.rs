use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use isolated_workers_transport::ChannelDescriptors;
use tokio::time::{Instant, sleep_until};

use crate::handshake::{Greeting, HandshakeError};
use crate::launch::{AnyReader, AnyWriter};

/// Maximum number of connections whose hello has not arrived.
const MAX_PENDING: usize = 64;

/// Time for a hello to arrive before its connection is closed in favor of a newer one. A host sends
/// its hello at once, but its process may be busy.
const HELLO_GRACE: Duration = Duration::from_millis(100);

/// Connection to a host whose hello has arrived.
pub(super) struct Heard<'a> {
    pub(super) reader: AnyReader,
    pub(super) writer: AnyWriter,
    pub(super) hangup: Option<Box<dyn FnOnce() + Send>>,
    /// Descriptors of the stream, if both sides take them.
    pub(super) descriptors: Option<ChannelDescriptors>,
    /// `None` if there is no handshake.
    pub(super) greeting: Option<Greeting<'a>>,
    /// Token that the host sent.
    pub(super) token: Option<String>,
}

type PendingHello<'a> = Pin<Box<dyn Future<Output = Result<Heard<'a>, HandshakeError>> + Send + 'a>>;

/// Connections whose hello has not arrived, oldest first, with the times at which they were
/// accepted. A peer that sends nothing does not keep the others waiting.
#[derive(Default)]
pub(super) struct PendingHandshakes<'a>(VecDeque<(Instant, PendingHello<'a>)>);

impl<'a> PendingHandshakes<'a> {
    /// Returns a future that ends when [`push`](Self::push) closes no connection that may still
    /// send its hello. Poll [`next`](Self::next) meanwhile: the result does not change with it.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let oldest = self.0.front().filter(|_| self.0.len() == MAX_PENDING);
        let grace_ends = oldest.map(|(accepted, _)| *accepted + HELLO_GRACE);
        async move {
            if let Some(grace_ends) = grace_ends {
                sleep_until(grace_ends).await;
            }
        }
    }

    /// Adds a connection. If there are too many, closes the oldest. A host sends its hello at once,
    /// so the oldest is the least likely to be one. Wait for [`room`](Self::room) before.
    pub(super) fn push(
        &mut self,
        handshake: impl Future<Output = Result<Heard<'a>, HandshakeError>> + Send + 'a,
    ) {
        if self.0.len() == MAX_PENDING {
            tracing::warn!("closed a connection without a hello: {MAX_PENDING} newer ones wait");
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), Box::pin(handshake)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the next hello or failure. Never returns while there is no connection.
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Heard<'a>, HandshakeError> {
        poll_fn(|cx| {
            let handshakes = self.0.iter_mut().enumerate();
            let mut ended = handshakes.filter_map(|(at, (_, handshake))| match handshake.as_mut().poll(cx) {
                Poll::Ready(heard) => Some((at, heard)),
                Poll::Pending => None,
            });
            let ended = ended.next();
            match ended {
                Some((at, heard)) => {
                    drop(self.0.remove(at));
                    Poll::Ready(heard)
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn no_connection_is_closed_before_it_had_time_for_its_hello() {
        let mut handshakes = PendingHandshakes::default();
        let started = Instant::now();
        for _ in 0..=MAX_PENDING {
            handshakes.room().await;
            handshakes.push(pending());
        }
        assert!(started.elapsed() >= HELLO_GRACE);
        assert_eq!(handshakes.0.len(), MAX_PENDING);
    }
}
