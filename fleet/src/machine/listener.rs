use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use super::machinery::Machinery;

/// Argument of an `UNSUB` with which the server removes a subscription at once, and the client
/// keeps it for the messages that are on their way. The server reads numbers of up to nine digits.
const LEAVE: u64 = 1_000_000_000_000;

/// Time that the server may take to confirm that it has removed a subscription.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Subscription that ends without losing a message.
pub(super) struct Listener {
    machinery: Arc<Machinery>,
    messages: Subscriber,
    end: CancellationToken,
    phase: Phase,
}

enum Phase {
    Subscribed,
    /// Until the server has confirmed that it has removed the subscription.
    Leaving(Pin<Box<dyn Future<Output = ()> + Send + Sync>>),
    /// What is left has arrived.
    Left,
}

impl Listener {
    /// Listens until `end`.
    pub(super) fn new(machinery: Arc<Machinery>, messages: Subscriber, end: CancellationToken) -> Self {
        Self { machinery, messages, end, phase: Phase::Subscribed }
    }

    /// Returns the next message. After `end`, returns those that the server had sent before it
    /// removed the subscription, and then `None`.
    pub(super) async fn next(&mut self) -> Option<Message> {
        if let Phase::Subscribed = self.phase {
            tokio::select! {
                biased;
                message = self.messages.next() => return message,
                () = self.end.cancelled() => {}
            }
            self.messages.unsubscribe_after(LEAVE).await.ok()?;
            let machinery = Arc::clone(&self.machinery);
            self.phase = Phase::Leaving(Box::pin(async move {
                let _ = tokio::time::timeout(LEAVE_TIMEOUT, machinery.confirm_order()).await;
            }));
        }
        if let Phase::Leaving(confirmed) = &mut self.phase {
            tokio::select! {
                biased;
                message = self.messages.next() => return message,
                () = confirmed => self.phase = Phase::Left,
            }
        }
        self.messages.next().now_or_never().flatten()
    }
}
