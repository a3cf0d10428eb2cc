use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hashbrown::HashMap;
use isolated_workers_core::{Error, ErrorKind, Request, TxId};
use isolated_workers_middleware::{Service, panic_place};
use tokio::task::{AbortHandle, JoinSet};

use super::pace::Pace;
use crate::link::{Answer, Inbound};

/// The handlers at work for one connection.
pub(super) struct Handlers<S> {
    service: Arc<S>,
    tasks: JoinSet<Handled>,
    /// How to stop those that the host may still cancel.
    running: HashMap<TxId, AbortHandle>,
    pace: Pace,
    /// The host's process.
    peer: Option<u32>,
    panicked: Option<Error>,
}

/// What came of a request.
struct Handled {
    /// `None` where the message was oneway.
    answer: Option<Answer>,
    panicked: Option<Error>,
}

type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

impl<S: Service + 'static> Handlers<S> {
    /// `service` makes errors of panics: a [`Local`](isolated_workers_middleware::Local) does, and so does each layer.
    pub(super) fn new(service: Arc<S>, peer: Option<u32>) -> Self {
        let (tasks, running, pace) = (JoinSet::new(), HashMap::new(), Pace::default());
        Self { service, tasks, running, pace, peer, panicked: None }
    }

    /// The first panic of a handler, whose answer has been given by then.
    pub(super) fn panicked(&self) -> Option<&Error> {
        self.panicked.as_ref()
    }

    fn handle(&self, request: Request) -> Handling {
        let service = Arc::clone(&self.service);
        Box::pin(async move {
            let id = request.id().cloned();
            let name = request.to_name();
            let oneway = request.is_oneway();
            let mut call = pin!(service.call(request));
            let result = poll_fn(|cx| panic_place::watch(|| call.as_mut().poll(cx))).await;
            let panicked = result.as_ref().err().filter(|error| error.kind() == ErrorKind::Panicked).cloned();
            let answer = match (id, &result) {
                (Some(id), _) if !oneway => Some((id, result)),
                (_, Err(error)) => {
                    tracing::warn!(message = name.as_str(), "a oneway message failed: {error:#}");
                    None
                }
                _ => None,
            };
            Handled { answer, panicked }
        })
    }

    fn take_in(&mut self, handled: Handled) -> Option<Answer> {
        if self.panicked.is_none() {
            self.panicked = handled.panicked;
        }
        handled.answer
    }

    fn spawn(&mut self, id: Option<TxId>, handling: Handling) {
        let task = self.tasks.spawn(handling);
        self.running.extend(id.map(|id| (id, task)));
    }
}

impl<S: Service + 'static> Inbound for Handlers<S> {
    const ANSWERS: bool = true;

    fn start(&mut self, mut request: Request, cx: &mut Context<'_>) -> Option<Answer> {
        let id = request.id().filter(|_| !request.is_oneway()).cloned();
        let name = request.to_name();
        request.set_peer(self.peer);
        // One look at the clock for the deadline and for the pace.
        let started = Instant::now();
        if let Some(timeout) = request.timeout() {
            request.set_deadline(started.checked_add(timeout));
        }
        let mut handling = self.handle(request);
        // Who sends oneway messages relies on their order, because there is no reply to wait for: they never wait.
        let oneway = id.is_none();
        if !oneway && !self.pace.is_in_place(name.as_str()) {
            self.spawn(id, handling);
            return None;
        }
        // Most handlers answer at once: those need no task.
        let polled = handling.as_mut().poll(cx);
        if !oneway {
            self.pace.learn(&name, started.elapsed());
        }
        match polled {
            Poll::Ready(handled) => self.take_in(handled),
            Poll::Pending => {
                self.spawn(id, handling);
                None
            }
        }
    }

    fn cancel(&mut self, id: &TxId) {
        if let Some(task) = self.running.remove(id) {
            task.abort();
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        loop {
            match ready!(self.tasks.poll_join_next_with_id(cx)) {
                Some(Ok((task, handled))) => {
                    let Some(answer) = self.take_in(handled) else { continue };
                    // One that ended while it was cancelled has no say: its id may be another request's by now.
                    if self.running.get(&answer.0).is_some_and(|running| running.id() == task) {
                        self.running.remove(&answer.0);
                        return Poll::Ready(answer);
                    }
                }
                // One that was stopped. A panic was caught before it came here.
                Some(Err(_)) => {}
                None => return Poll::Pending,
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }
}
