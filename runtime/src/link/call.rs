use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Request, Response, TxId};

use super::Link;

/// A call on its way. Dropping it gives the call up.
pub(super) struct Call<'a, C: Codec> {
    link: &'a Link<C>,
    progress: Progress,
}

enum Progress {
    New(Request),
    Waiting { place: usize, id: TxId },
    Done,
}

impl<'a, C: Codec> Call<'a, C> {
    pub(super) fn new(link: &'a Link<C>, request: Request) -> Self {
        Self { link, progress: Progress::New(request) }
    }

    fn poll_start(&mut self, mut request: Request, cx: &mut Context<'_>) -> Poll<Result<Response, Error>> {
        let shared = &self.link.0;
        let mut state = self.link.lock();
        if state.is_full() {
            state.wait_for_room(cx);
            self.progress = Progress::New(request);
            return Poll::Pending;
        }
        let id = match request.id() {
            Some(id) => id.clone(),
            None => {
                let id = shared.ids.next_id();
                request.set_id(id.clone());
                id
            }
        };
        let started = if request.is_oneway() {
            state.start_oneway(id, request, cx).map(|()| Progress::Done)
        } else {
            let timeout = request.timeout().unwrap_or(shared.timeout);
            let timeout = (!timeout.is_zero()).then_some(timeout);
            state.start(id.clone(), request, timeout, cx).map(|place| Progress::Waiting { place, id })
        };
        let mut woken = Vec::new();
        state.take_woken(&mut woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        match started {
            Ok(Progress::Done) => Poll::Ready(Ok(Response::default())),
            Ok(waiting) => {
                self.progress = waiting;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<C: Codec> Future for Call<'_, C> {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::New(request) => self.poll_start(request, cx),
            Progress::Waiting { place, id } => {
                let answer = self.link.lock().poll_answer(place, cx);
                if answer.is_pending() {
                    self.progress = Progress::Waiting { place, id };
                }
                answer
            }
            Progress::Done => panic!("a call was polled after it had ended"),
        }
    }
}

impl<C: Codec> Drop for Call<'_, C> {
    fn drop(&mut self) {
        if let Progress::Waiting { place, id } = &self.progress {
            let mut woken = Vec::new();
            let mut state = self.link.lock();
            state.abandon(*place, id);
            state.take_woken(&mut woken);
            drop(state);
            woken.into_iter().for_each(Waker::wake);
        }
    }
}
