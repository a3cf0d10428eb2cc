use std::task::{Context, Poll, Waker};

use isolated_workers_core::{Error, Request, Response};
use slab::Slab;

/// A place for each call that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Places(Slab<Place>);

#[derive(Debug)]
enum Place {
    Waiting(Waker),
    Answered(Result<Response, Error>),
    /// It was not sent, and another worker may have it.
    Unsent(Request),
}

impl Places {
    /// The place that the next call to [`wait`](Self::wait) has.
    #[inline]
    pub(super) fn next(&self) -> usize {
        self.0.vacant_key()
    }

    #[inline]
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        self.0.insert(Place::Waiting(cx.waker().clone()));
    }

    /// Takes in the end of a call, and returns who waits for it.
    #[inline]
    pub(super) fn answer(&mut self, place: usize, result: Result<Response, Error>) -> Option<Waker> {
        match std::mem::replace(&mut self.0[place], Place::Answered(result)) {
            Place::Waiting(waker) => Some(waker),
            Place::Answered(_) | Place::Unsent(_) => None,
        }
    }

    /// Has a call that has ended be one that was not sent.
    pub(super) fn send_back(&mut self, place: usize, request: Request) {
        self.0[place] = Place::Unsent(request);
    }

    #[inline]
    pub(super) fn poll(&mut self, place: usize, cx: &Context<'_>) -> Poll<Result<Response, Error>> {
        match &mut self.0[place] {
            Place::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Place::Answered(_) => match self.0.remove(place) {
                Place::Answered(result) => Poll::Ready(result),
                Place::Waiting(_) | Place::Unsent(_) => unreachable!("it was answered a line ago"),
            },
            Place::Unsent(_) => unreachable!("who has a seat asks for it first"),
        }
    }

    /// The request of a call that was not sent, if that is how it has ended.
    #[inline]
    pub(super) fn take_unsent(&mut self, place: usize) -> Option<Request> {
        if !matches!(self.0[place], Place::Unsent(_)) {
            return None;
        }
        match self.0.remove(place) {
            Place::Unsent(request) => Some(request),
            Place::Waiting(_) | Place::Answered(_) => None,
        }
    }

    /// Gives a place up, and tells whether its call has not ended.
    pub(super) fn remove(&mut self, place: usize) -> bool {
        matches!(self.0.remove(place), Place::Waiting(_))
    }
}
