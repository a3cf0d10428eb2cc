use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashMap;
use isolated_workers_core::TxId;

use super::super::link_calls::{LinkCalls, StreamRequest};
use super::stalled_senders::{Sender, StalledSenders};

/// Streams of the requests of the peer, and the senders that wait for space. The wakers of this
/// side's calls are in their waiters.
#[derive(Default)]
pub(in super::super) struct HandlerStreams {
    handlers: HashMap<TxId, Handler>,
    stalled: StalledSenders,
}

/// Handler of a request that has streams. Different tasks may poll both directions.
struct Handler {
    request: Arc<StreamRequest>,
    items: Option<Waker>,
    /// Waker of the sender, which waits for credit, or for space in the queue.
    sender: Option<Waker>,
}

impl Handler {
    fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.items.take().into_iter().chain(self.sender.take())
    }

    fn close(mut self) -> impl Iterator<Item = Waker> {
        self.request.set_answered();
        self.wakers()
    }
}

impl HandlerStreams {
    /// Adds the handler of a request.
    pub(in super::super) fn open(&mut self, id: TxId, link: Arc<dyn LinkCalls>) -> Arc<StreamRequest> {
        let request = Arc::new(StreamRequest::new(id.clone(), link));
        let handler = Handler { request: Arc::clone(&request), items: None, sender: None };
        self.handlers.insert(id, handler);
        request
    }

    /// Changes the link of all requests, because their connection was handed over.
    pub(in super::super) fn set_link(&self, link: &Arc<dyn LinkCalls>) {
        for handler in self.handlers.values() {
            handler.request.set_link(link);
        }
    }

    #[inline]
    pub(super) fn has_handlers(&self) -> bool {
        !self.handlers.is_empty()
    }

    pub(super) fn contains(&self, request: &Arc<StreamRequest>) -> bool {
        self.handlers.get(&request.id).is_some_and(|handler| Arc::ptr_eq(&handler.request, request))
    }

    /// Removes the handler of a request that was answered. Returns its wakers.
    pub(super) fn close(&mut self, id: &TxId) -> impl Iterator<Item = Waker> + use<> {
        if self.has_stalled() {
            self.stalled.remove(&Sender::Request(id.clone()));
        }
        self.handlers.remove(id).into_iter().flat_map(Handler::close)
    }

    /// Exchanges the waker of a handler that waits for items with `waker`.
    pub(in super::super) fn wait_for_items(&mut self, id: &TxId, waker: &mut Option<Waker>) {
        if let Some(handler) = self.handlers.get_mut(id) {
            std::mem::swap(&mut handler.items, waker);
        }
    }

    /// Exchanges the waker of a handler that waits until it may send with `waker`.
    pub(super) fn wait_to_send(&mut self, id: &TxId, waker: &mut Option<Waker>) {
        if let Some(handler) = self.handlers.get_mut(id) {
            std::mem::swap(&mut handler.sender, waker);
        }
    }

    /// Takes the wakers of a request that has something new.
    pub(super) fn take_ready(&mut self, id: &TxId) -> impl Iterator<Item = Waker> + use<> {
        self.handlers.get_mut(id).map(Handler::wakers).into_iter().flatten()
    }

    /// Adds a sender that waits for space. Its waker is registered with its call.
    pub(super) fn stall(&mut self, sender: Sender) {
        self.stalled.insert(sender);
    }

    /// Removes a sender whose call has ended.
    #[inline]
    pub(in super::super) fn remove_stalled(&mut self, key: usize) {
        if self.has_stalled() {
            self.stalled.remove(&Sender::Call(key));
        }
    }

    #[inline]
    pub(super) fn has_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    pub(super) fn take_stalled(&mut self) -> Vec<Sender> {
        self.stalled.take()
    }

    /// Takes the waker of a request's sender.
    pub(super) fn take_sender(&mut self, id: &TxId) -> Option<Waker> {
        self.handlers.get_mut(id)?.sender.take()
    }

    /// Removes everything, because the connection has ended. Returns all wakers.
    pub(in super::super) fn take_all(&mut self) -> Vec<Waker> {
        self.stalled.clear();
        self.handlers.drain().flat_map(|(_, handler)| handler.close()).collect()
    }
}
