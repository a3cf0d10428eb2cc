use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hashbrown::HashMap;
use isolated_workers_core::{Error, ErrorKind, Name, Request, TxId};
use isolated_workers_middleware::{Service, panic_place};
use tokio::task::{AbortHandle, JoinSet};

use super::heap;
use super::pace::Pace;
use super::place::{Place, place};
use crate::connection::{Answer, Inbound};

/// The handlers at work for one connection.
pub(super) struct Handlers<S> {
    service: Arc<S>,
    /// What the handler before has given back, for the next.
    spare: Option<Arc<S>>,
    tasks: JoinSet<Handled<S>>,
    /// How to stop those that the host may still cancel.
    running: HashMap<TxId, AbortHandle>,
    pace: Pace,
    /// The host's process.
    peer: Option<u32>,
    /// Whether this process is there for the worker alone.
    is_process: bool,
    panicked: Option<Error>,
    /// Where a handler runs until it waits for something: in the memory of the one before.
    place: Option<Handling<S>>,
}

/// What came of a request.
struct Handled<S> {
    service: Arc<S>,
    /// `None` where the message was oneway.
    answer: Option<Answer>,
    panicked: Option<Error>,
}

type Handling<S> = Pin<Box<dyn Place<Job<S>, Output = Handled<S>> + Send>>;

/// What a handler is given.
struct Job<S> {
    service: Arc<S>,
    request: Request,
    asked: Asked,
}

/// Who hears what comes of a request.
enum Asked {
    /// The one who waits for the answer with this id.
    By(TxId),
    /// Nobody; the message had this name.
    Oneway(Name),
}

impl<S: Service + 'static> Job<S> {
    async fn run(self) -> Handled<S> {
        let Self { service, request, asked } = self;
        let result = {
            let mut call = pin!(service.call(request));
            poll_fn(|cx| panic_place::watch(|| call.as_mut().poll(cx))).await
        };
        let panicked = result.as_ref().err().filter(|error| error.kind() == ErrorKind::Panicked).cloned();
        let answer = match (asked, result) {
            (Asked::By(id), result) => Some((id, result)),
            (Asked::Oneway(name), Err(error)) => {
                tracing::warn!(message = name.as_str(), "a oneway message failed: {error:#}");
                None
            }
            (Asked::Oneway(_), Ok(_)) => None,
        };
        Handled { service, answer, panicked }
    }
}

impl<S: Service + 'static> Handlers<S> {
    /// `service` makes errors of panics: a [`Local`](isolated_workers_middleware::Local) does, and so does each layer.
    pub(super) fn new(service: Arc<S>, peer: Option<u32>, is_process: bool) -> Self {
        Self {
            service,
            spare: None,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            pace: Pace::default(),
            peer,
            is_process,
            panicked: None,
            place: None,
        }
    }

    /// The first panic of a handler, whose answer has been given by then.
    pub(super) fn panicked(&self) -> Option<&Error> {
        self.panicked.as_ref()
    }

    fn handle(&mut self, request: Request, asked: Asked) -> Handling<S> {
        let service = self.spare.take().unwrap_or_else(|| Arc::clone(&self.service));
        let mut handling = self.place.take().unwrap_or_else(|| Box::pin(place(Job::run)));
        handling.as_mut().start(Job { service, request, asked });
        handling
    }

    fn take_in(&mut self, handled: Handled<S>) -> Option<Answer> {
        self.spare = Some(handled.service);
        if self.panicked.is_none() {
            self.panicked = handled.panicked;
        }
        handled.answer
    }

    fn spawn(&mut self, id: Option<TxId>, handling: Handling<S>) {
        let task = self.tasks.spawn(handling);
        self.running.extend(id.map(|id| (id, task)));
    }

    /// Begins to handle a request that came at this time.
    fn start_one(&mut self, mut request: Request, came: Instant, cx: &mut Context<'_>) -> Option<Answer> {
        let id = request.id().filter(|_| !request.is_oneway()).cloned();
        request.set_peer(self.peer);
        if let Some(timeout) = request.timeout() {
            request.set_deadline(came.checked_add(timeout));
        }
        let name = request.to_name();
        let asked = id.clone().map_or_else(|| Asked::Oneway(name.clone()), Asked::By);
        // Who sends oneway messages relies on their order, because there is no reply to wait for: they never wait.
        let may_move = id.is_some();
        let is_in_place = !may_move || self.pace.is_in_place(name.as_str());
        let mut handling = self.handle(request, asked);
        if !is_in_place {
            self.spawn(id, handling);
            return None;
        }
        // Most handlers answer at once: those need no task.
        let polled = handling.as_mut().poll(cx);
        if may_move {
            self.pace.ran(name);
        }
        match polled {
            Poll::Ready(handled) => {
                self.place = Some(handling);
                self.take_in(handled)
            }
            Poll::Pending => {
                self.spawn(id, handling);
                None
            }
        }
    }
}

impl<S: Service + 'static> Inbound for Handlers<S> {
    const ANSWERS: bool = true;

    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, cx: &mut Context<'_>) {
        let came = Instant::now();
        self.pace.begin(came);
        for request in requests.drain(..) {
            answers.extend(self.start_one(request, came, cx));
        }
        self.pace.end();
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

    fn gave_back(&self) {
        // It may take long where there is much, so that this is not for processes of others.
        if self.is_process {
            heap::trim();
        }
    }
}
