use std::sync::Arc;
use std::task::Waker;

use hashbrown::HashMap;
use isolated_workers_core::TxId;

use super::super::link_calls::{LinkCalls, StreamRequest};

/// Streams of the requests of the peer, and everything else that waits for streams. The wakers of this
/// side's calls are in their waiters.
#[derive(Default)]
pub(in super::super) struct HandlerStreams {
    handlers: HashMap<TxId, Handler>,
    /// Senders of items that wait for space in the queue.
    stalled: Vec<Waker>,
}

/// Handler of a request that has streams. Different tasks may poll both directions.
struct Handler {
    request: Arc<StreamRequest>,
    items: Option<Waker>,
    credit: Option<Waker>,
}

impl Handler {
    fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.items.take().into_iter().chain(self.credit.take())
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
        let handler = Handler { request: Arc::clone(&request), items: None, credit: None };
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
        self.handlers.remove(id).into_iter().flat_map(Handler::close)
    }

    /// Exchanges the waker of a handler that waits for items with `waker`.
    pub(in super::super) fn wait_for_items(&mut self, id: &TxId, waker: &mut Option<Waker>) {
        if let Some(handler) = self.handlers.get_mut(id) {
            std::mem::swap(&mut handler.items, waker);
        }
    }

    /// Exchanges the waker of a handler that waits for credit with `waker`.
    pub(super) fn wait_for_credit(&mut self, id: &TxId, waker: &mut Option<Waker>) {
        if let Some(handler) = self.handlers.get_mut(id) {
            std::mem::swap(&mut handler.credit, waker);
        }
    }

    /// Takes the wakers of a request that has something new.
    pub(super) fn take_ready(&mut self, id: &TxId) -> impl Iterator<Item = Waker> + use<> {
        self.handlers.get_mut(id).map(Handler::wakers).into_iter().flatten()
    }

    /// Adds a sender that waits for space. A sender that is polled again is not added twice.
    pub(super) fn stall(&mut self, waker: &mut Option<Waker>) {
        let is_known = |waker: &Waker| self.stalled.iter().any(|other| other.will_wake(waker));
        if !waker.as_ref().is_some_and(is_known) {
            self.stalled.extend(waker.take());
        }
    }

    #[inline]
    pub(super) fn has_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    pub(super) fn take_stalled(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.stalled)
    }

    /// Removes everything, because the connection has ended. Returns all wakers.
    pub(in super::super) fn take_all(&mut self) -> Vec<Waker> {
        let mut wakers = self.take_stalled();
        wakers.extend(self.handlers.drain().flat_map(|(_, handler)| handler.close()));
        wakers
    }
}
