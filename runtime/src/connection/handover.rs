//! Handover of a link from a worker that has announced its end to its successor.
//!
//! The connection moves with its calls in flight to a link of its own, and the worker's link waits
//! for the next connection. A caller keeps the key of its waiter in the worker's link: the entry
//! refers to the other link, which has a waiter with the same key.

use std::pin::Pin;
use std::sync::Arc;

use isolated_workers_codec::{Codec, Framing};
use isolated_workers_core::Limits;
use isolated_workers_transport::TryRead;

use super::availability::Availability;
use super::link_calls::LinkCalls;
use super::state::State;
use super::{CloseReason, ConnectionTask, Link, RequestHandler};

/// Connection task of a host, with the transport erased from the type.
pub(crate) trait HostTask<C: Codec>: Future<Output = CloseReason> + Send {
    /// Continues with `link`, to which the connection was handed over.
    fn move_to(self: Pin<&mut Self>, link: Link<C>);
}

impl<C: Codec, R: TryRead + Send + Unpin, H: RequestHandler> HostTask<C> for ConnectionTask<C, R, H> {
    fn move_to(mut self: Pin<&mut Self>, link: Link<C>) {
        self.set_link(link);
    }
}

impl<C: Codec> Link<C> {
    /// Moves the connection and the calls in flight to a link of their own, and returns it. Later
    /// calls of this link wait until it is [reconnected](Self::reconnect).
    pub(crate) fn hand_over(&self, limits: Limits) -> Self {
        let own = Self::new(
            self.0.codec.clone(),
            limits,
            Arc::clone(&self.0.ids),
            self.0.timeout,
            tokio::io::empty(),
        );
        let moved: Arc<dyn LinkCalls> = Arc::new(own.clone());
        // No other code has the new link yet, so its mutex is free.
        self.change(|state| state.hand_over(&mut own.lock(), &moved));
        own
    }
}

impl<F: Framing> State<F> {
    fn hand_over(&mut self, to: &mut Self, link: &Arc<dyn LinkCalls>) {
        self.swap_connection(to);
        self.update_given_up();
        to.handler_streams.set_link(link);
        to.waiters = self.waiters.hand_over(link);
        self.set_availability(Availability::Starting);
    }
}
