use std::task::{Context, Poll};

use isolated_workers_core::protocol::Admission;
use isolated_workers_core::{Error, ErrorKind, RemoteError, Request, Response, TxId};

/// Answer to a request that is not oneway.
pub(crate) type Answer = (TxId, Result<Response, Box<RemoteError>>);

/// Handler of the peer's requests.
pub(crate) trait RequestHandler: Send + Unpin {
    /// `true` if this side serves requests.
    const SERVES: bool;

    /// `true` if this side is the worker.
    const IS_WORKER: bool;

    /// Starts a batch of requests and leaves `requests` empty. Immediate answers are added to
    /// `answers` and are sent together.
    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, cx: &mut Context<'_>);

    /// Stops handling a request. It is answered when its handler has ended.
    fn cancel(&mut self, id: &TxId);

    /// Returns an answer that was not immediate. `Pending` if there is none.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer>;

    /// Returns the cost of the oneway messages that have finished since the last time.
    fn take_finished_oneways(&mut self) -> usize;

    /// Returns `true` if no further request may be read from a peer that has announced no
    /// admission, because too many are unfinished.
    fn is_full(&self) -> bool;

    /// Returns `true` if no further handler may start, because too many cancelled ones have not
    /// ended.
    fn has_max_cancelled(&self) -> bool {
        false
    }

    /// Returns `true` if no request is being handled, except cancelled ones.
    fn is_idle(&self) -> bool;

    /// Called after the memory of large bodies was returned to the allocator.
    fn memory_released(&self) {}
}

/// Request handler of a host that serves nothing: it refuses every request.
#[derive(Default)]
pub(crate) struct RejectAll {
    finished_oneways: usize,
}

impl RequestHandler for RejectAll {
    const SERVES: bool = false;
    const IS_WORKER: bool = false;

    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, _: &mut Context<'_>) {
        answers.extend(requests.drain(..).filter_map(|request| {
            if request.is_oneway() {
                self.finished_oneways += Admission::oneway_cost(request.bytes());
                return None;
            }
            let text = format!(
                "could not call `{}`: the host serves nothing; pass a handler to `Worker::builder(..).serve(..)`",
                request.name()
            );
            let error = Error::new(ErrorKind::UnknownMessage, text);
            Some((request.id()?.clone(), Err(Box::new(error.to_remote()))))
        }));
    }

    fn cancel(&mut self, _: &TxId) {}

    fn poll_answer(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }

    fn take_finished_oneways(&mut self) -> usize {
        std::mem::take(&mut self.finished_oneways)
    }

    fn is_full(&self) -> bool {
        false
    }

    fn is_idle(&self) -> bool {
        true
    }
}
