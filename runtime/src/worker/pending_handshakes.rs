use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::handshake::{Greeting, HandshakeError};
use crate::launch::{AnyReader, AnyWriter};

/// Maximum number of connections whose hello has not arrived.
const MAX_PENDING: usize = 16;

/// Connection to a host whose hello has arrived.
pub(super) struct Heard<'a> {
    pub(super) reader: AnyReader,
    pub(super) writer: AnyWriter,
    pub(super) hangup: Option<Box<dyn FnOnce() + Send>>,
    /// `None` if there is no handshake.
    pub(super) greeting: Option<Greeting<'a>>,
    /// Token that the host sent.
    pub(super) token: Option<String>,
}

type PendingHello<'a> = Pin<Box<dyn Future<Output = Result<Heard<'a>, HandshakeError>> + Send + 'a>>;

/// Connections whose hello has not arrived, oldest first. A peer that sends nothing does not keep
/// the others waiting.
#[derive(Default)]
pub(super) struct PendingHandshakes<'a>(VecDeque<PendingHello<'a>>);

impl<'a> PendingHandshakes<'a> {
    /// Adds a connection. If there are too many, closes the oldest. A host sends its hello at once,
    /// so the oldest is the least likely to be one.
    pub(super) fn push(
        &mut self,
        handshake: impl Future<Output = Result<Heard<'a>, HandshakeError>> + Send + 'a,
    ) {
        if self.0.len() == MAX_PENDING {
            tracing::warn!("closed a connection without a hello: {MAX_PENDING} newer ones wait");
            self.0.pop_front();
        }
        self.0.push_back(Box::pin(handshake));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the next hello or failure. Never returns while there is no connection.
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Heard<'a>, HandshakeError> {
        poll_fn(|cx| {
            let ended =
                self.0.iter_mut().enumerate().find_map(|(at, handshake)| match handshake.as_mut().poll(cx) {
                    Poll::Ready(heard) => Some((at, heard)),
                    Poll::Pending => None,
                });
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
