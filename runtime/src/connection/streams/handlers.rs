use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use hashbrown::HashMap;
use isolated_workers_core::TxId;

use super::super::link_calls::LinkCalls;

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

/// Request of the peer that has streams.
pub(crate) struct StreamRequest {
    pub(in super::super) id: TxId,
    /// Set under the mutex of the link when the request was answered. Another request may then have its
    /// id.
    is_answered: AtomicBool,
    /// Link of its connection. It changes if the connection is handed over.
    link: Mutex<Arc<dyn LinkCalls>>,
}

impl StreamRequest {
    fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed)
    }

    /// Calls `poll` with the link of the request, until the link knows the request. `None`: the request
    /// was answered, or its connection was lost.
    pub(super) fn on_link<T>(&self, mut poll: impl FnMut(&dyn LinkCalls) -> Option<T>) -> Option<T> {
        loop {
            let link = Arc::clone(&self.link.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(polled) = poll(&*link) {
                return Some(polled);
            }
            if self.is_answered() {
                return None;
            }
            // The connection is being handed over.
            std::thread::yield_now();
        }
    }
}

impl fmt::Debug for StreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamRequest").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Handler {
    fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.items.take().into_iter().chain(self.credit.take())
    }

    fn close(mut self) -> impl Iterator<Item = Waker> {
        self.request.is_answered.store(true, Ordering::Relaxed);
        self.wakers()
    }
}

impl HandlerStreams {
    /// Adds the handler of a request.
    pub(in super::super) fn open(&mut self, id: TxId, link: Arc<dyn LinkCalls>) -> Arc<StreamRequest> {
        let is_answered = AtomicBool::new(false);
        let request = Arc::new(StreamRequest { id: id.clone(), is_answered, link: Mutex::new(link) });
        let handler = Handler { request: Arc::clone(&request), items: None, credit: None };
        self.handlers.insert(id, handler);
        request
    }

    /// Changes the link of all requests, because their connection was handed over.
    pub(in super::super) fn set_link(&self, link: &Arc<dyn LinkCalls>) {
        for handler in self.handlers.values() {
            *handler.request.link.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(link);
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
        let handler = self.handlers.get_mut(id);
        let wakers = handler.map(|handler| (handler.items.take(), handler.credit.take()));
        wakers.into_iter().flat_map(|(items, credit)| items.into_iter().chain(credit))
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
