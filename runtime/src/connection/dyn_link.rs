//! Link behind a pointer that does not name its codec.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use isolated_workers_codec::Codec;
use isolated_workers_core::protocol::{Receiving, StreamEnd};
use isolated_workers_core::{Body, Error, Response, Role, TxId};

use super::Link;
use super::link_calls::{CallPoll, LinkCalls, StreamCall, StreamRef, StreamRequest};
use super::state::current_runtime;
use super::waiters::{Polled, Waiter};

impl<C: Codec> LinkCalls for Link<C> {
    fn poll(&self, key: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>> {
        let polled = self.lock().waiters.poll(key, cx);
        match polled {
            Polled::Answered(result) => Poll::Ready(result),
            Polled::Pending => Poll::Pending,
            Polled::OtherWaker => {
                let mut waker = cx.waker().clone();
                let is_waiting = self.lock().waiters.replace_waker(key, &mut waker);
                if is_waiting { Poll::Pending } else { LinkCalls::poll(self, key, cx) }
            }
            Polled::Moved(_) | Polled::Unsent(_) => {
                unreachable!("a connection that was handed over has no successor and no permits")
            }
            Polled::StreamEnded(_) => unreachable!("the call has no streams"),
        }
    }

    fn poll_call(
        &self,
        call: &StreamCall,
        finished: usize,
        items: &mut VecDeque<Body>,
        cx: &Context<'_>,
    ) -> CallPoll {
        // Cloned and dropped while the mutex is free: a waker is user code.
        let mut waker = cx.waker().clone();
        let polled = self.change(|state| {
            let polled = state.waiters.poll(call.key, cx);
            if let Polled::Pending | Polled::OtherWaker = polled {
                state.waiters.replace_waker(call.key, &mut waker);
                state.finish_items(StreamRef::Call(call), finished);
                state.connection.take_items(Role::Caller, &call.id, items);
            }
            polled
        });
        match polled {
            Polled::Pending | Polled::OtherWaker => CallPoll::Pending,
            Polled::Answered(result) => CallPoll::Ended(result),
            Polled::StreamEnded(end) => {
                let StreamEnd { items: mut rest, result, .. } = *end;
                items.append(&mut rest);
                CallPoll::Ended(result)
            }
            Polled::Unsent(request) => CallPoll::Unsent(request),
            Polled::Moved(link) => {
                let removed = self.lock().waiters.remove(call.key);
                drop(removed);
                CallPoll::Moved(link)
            }
        }
    }

    fn poll_request(
        &self,
        request: &Arc<StreamRequest>,
        finished: usize,
        items: &mut VecDeque<Body>,
        cx: &Context<'_>,
    ) -> Option<Poll<Receiving>> {
        let mut waker = Some(cx.waker().clone());
        self.change(|state| {
            let stream = StreamRef::Request(request);
            if !state.has_stream(stream) {
                return None;
            }
            state.finish_items(stream, finished);
            match state.connection.take_items(Role::Callee, &request.id, items) {
                Receiving::Open if items.is_empty() => {
                    state.handler_streams.wait_for_items(&request.id, &mut waker);
                    Some(Poll::Pending)
                }
                receiving => Some(Poll::Ready(receiving)),
            }
        })
    }

    fn finish_items(&self, stream: StreamRef<'_>, cost: usize) -> Option<()> {
        self.change(|state| state.has_stream(stream).then(|| state.finish_items(stream, cost)))
    }

    fn poll_sending(&self, stream: StreamRef<'_>, cx: &Context<'_>) -> Option<Poll<usize>> {
        let mut waker = Some(cx.waker().clone());
        self.lock().poll_sending(stream, &mut waker)
    }

    fn send_items(&self, stream: StreamRef<'_>, items: &mut Vec<Body>, at_once: bool) -> Option<usize> {
        let runtime = current_runtime();
        self.change(|state| state.send_items(stream, items, at_once, runtime))
    }

    fn end_items(&self, call: &StreamCall) -> Option<()> {
        self.change(|state| state.end_items(call))
    }

    fn abandon(&self, key: usize, id: &TxId) {
        // Dropped after the mutex is released.
        let removed = self.change(|state| state.abandon(key, id));
        if let Waiter::Moved(link) = removed {
            link.abandon(key, id);
        }
    }

    fn wake_task(&self) {
        self.change(|state| state.wake_task());
    }

    fn deadline_away(&self, id: &TxId) -> Option<Instant> {
        let runtime = current_runtime();
        self.change(|state| state.deadline_away(id, runtime))
    }

    fn handle_timeout(&self, until: Instant) {
        self.change(|state| state.handle_timeout(Some(until)));
    }
}
