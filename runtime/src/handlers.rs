//! Running handlers of one connection, on either side.

mod allocator;
mod inline_policy;
mod own_services;
mod reusable_future;

use std::any::Any;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hashbrown::HashMap;
use isolated_workers_core::protocol::Admission;
use isolated_workers_core::{Error, ErrorKind, Items, Name, Request, Response, TxId};
use isolated_workers_middleware::left_threads::{self, LeftThreads};
use isolated_workers_middleware::{Service, guard_items, panic_location};
use tokio::sync::oneshot;
use tokio::task::{Id, JoinSet};

use self::inline_policy::InlinePolicy;
pub(crate) use self::own_services::OwnServices;
use self::reusable_future::{ReusableFuture, reusable_future};
use crate::connection::{Answer, ItemSender, RequestHandler, StreamRequest};

/// Maximum number of cancelled handlers that have not ended. At this number, no further handler
/// starts. From a host without admission, no further request is read while this number of handlers
/// of cancelled calls and oneway messages has not ended.
const MAX_UNAWAITED_HANDLERS: usize = 4096;

/// Size in bytes of unfinished oneway messages at which no further request is read from a host
/// without admission.
const MAX_ONEWAY_BYTES: usize = 16 << 20;

/// Running handlers of one connection. `ON_WORKER`: `true` if this side is the worker.
pub(crate) struct Handlers<S, const ON_WORKER: bool = true> {
    service: Arc<S>,
    services: OwnServices,
    /// Reference returned by the previous handler, for reuse by the next one.
    spare: Option<Arc<S>>,
    tasks: JoinSet<Option<Handled<S>>>,
    /// Senders that cancel the calls that the host may still cancel.
    running: HashMap<TxId, (Id, oneshot::Sender<()>)>,
    /// Tasks of cancelled calls, whose handlers have not ended.
    cancelled: HashMap<Id, TxId>,
    /// Size in bytes of each unfinished oneway message.
    oneways: HashMap<Id, usize>,
    /// Sum of `oneways`.
    oneway_bytes: usize,
    /// Cost of the oneway messages that have finished since it was last taken.
    finished_oneways: usize,
    inline_policy: InlinePolicy,
    /// Process id of the peer, if known.
    peer: Option<u32>,
    /// Service through which handlers call the peer back, if it serves.
    callback: Option<Arc<dyn Any + Send + Sync>>,
    /// `true` if this side is a worker that is a process, not a thread of its host.
    is_process: bool,
    panicked: Option<Error>,
    /// Memory in which a handler runs until its first await, reused from call to call.
    reusable: Option<Handling<S>>,
}

/// Outcome of a request.
struct Handled<S> {
    service: Arc<S>,
    /// `None` if the message is oneway.
    answer: Option<Answer>,
    panicked: Option<Error>,
}

type Handling<S> = Pin<Box<dyn ReusableFuture<HandlerInput<S>, Output = Handled<S>> + Send>>;

/// Input of a handler.
struct HandlerInput<S> {
    service: Arc<S>,
    request: Request,
    recipient: Recipient,
}

/// Recipient of a request's outcome.
enum Recipient {
    /// The caller that waits for the answer with this id.
    Caller(TxId),
    /// No recipient: a oneway message of this name.
    Oneway(Name),
}

impl<S: Service + 'static> HandlerInput<S> {
    async fn run(self) -> Handled<S> {
        let Self { service, request, recipient } = self;
        let streams = if request.streams().is_none() { None } else { RequestStreams::of(&request) };
        // A layer may end a call while its blocking handler runs. That call is answered when the
        // thread has ended, so that it counts as in flight.
        let mut left = LeftThreads::default();
        let result = {
            let mut call = pin!(service.call(request));
            poll_fn(|cx| {
                let polled = panic_location::observe(|| call.as_mut().poll(cx));
                left.collect();
                polled
            })
            .await
        };
        let result = match result {
            Ok(response) if response.has_items() => {
                Box::pin(send_items(response, streams, &recipient, &mut left)).await
            }
            result => result,
        };
        left.ended().await;
        // The panic of another process, whose error the handler returns, leaves this one intact.
        let is_own_panic =
            |error: &&Error| error.kind() == ErrorKind::Panicked && error.remote_error().is_none();
        let panicked = result.as_ref().err().filter(is_own_panic).cloned();
        let answer = match (recipient, result) {
            (Recipient::Caller(id), result) => {
                Some((id, result.map_err(|error| Box::new(error.to_remote()))))
            }
            (Recipient::Oneway(name), Err(error)) => {
                tracing::warn!(message = name.as_str(), "a oneway message failed: {error:#}");
                None
            }
            (Recipient::Oneway(_), Ok(_)) => None,
        };
        Handled { service, answer, panicked }
    }
}

/// Streams of the request that a handler answers.
struct RequestStreams {
    request: Arc<StreamRequest>,
    name: Name,
    takes_items: bool,
}

impl RequestStreams {
    #[cold]
    fn of(request: &Request) -> Option<Box<Self>> {
        let streams = request.extensions().get::<Arc<StreamRequest>>()?;
        let (name, takes_items) = (request.to_name(), request.streams().from_callee);
        Some(Box::new(Self { request: Arc::clone(streams), name, takes_items }))
    }
}

/// Sends the items of a response. Returns the response without them once all are sent.
async fn send_items(
    mut response: Response,
    streams: Option<Box<RequestStreams>>,
    recipient: &Recipient,
    left: &mut LeftThreads,
) -> Result<Response, Error> {
    let Some(streams) = streams.filter(|streams| streams.takes_items) else {
        return Err(unexpected_items(recipient));
    };
    // A layer may have changed the items, and may panic.
    let items = guard_items(response.take_items().unwrap_or(Items::none()), streams.name);
    let mut sender = ItemSender::new(items);
    let sent = poll_fn(|cx| {
        let polled = panic_location::observe(|| sender.poll_request(&streams.request, cx));
        left.collect();
        polled
    });
    sent.await.map(|()| response)
}

#[cold]
fn unexpected_items(recipient: &Recipient) -> Error {
    let name = match recipient {
        Recipient::Caller(id) => format!("the request {id}"),
        Recipient::Oneway(name) => format!("the oneway message `{name}`"),
    };
    let cause = "its handler answered with a stream of items, and its caller takes none";
    let remedy = "build host and worker from the same definition of the service";
    Error::new(ErrorKind::Encode, format!("could not answer {name}: {cause}; {remedy}"))
}

/// Runs a handler to its end. If it is cancelled, drops it, and waits for the threads that a
/// blocking handler leaves behind.
async fn run_until_cancelled<S>(
    mut handling: Handling<S>,
    cancelled: oneshot::Receiver<()>,
) -> Option<Handled<S>> {
    tokio::select! {
        biased;
        Ok(()) = cancelled => {}
        handled = &mut handling => return Some(handled),
    }
    left_threads::of(|| drop(handling)).ended().await;
    None
}

impl<S: Service + 'static, const ON_WORKER: bool> Handlers<S, ON_WORKER> {
    /// Creates the set. `service` must convert panics to errors, as
    /// [`Local`](isolated_workers_middleware::Local) and every layer do.
    pub(crate) fn new(service: Arc<S>, services: OwnServices, peer: Option<u32>, is_process: bool) -> Self {
        Self {
            service,
            services,
            spare: None,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            cancelled: HashMap::new(),
            oneways: HashMap::new(),
            oneway_bytes: 0,
            finished_oneways: 0,
            inline_policy: InlinePolicy::default(),
            peer,
            callback: None,
            is_process,
            panicked: None,
            reusable: None,
        }
    }

    /// Sets the service through which handlers call the peer back.
    pub(crate) fn with_callback(mut self, callback: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        self.callback = callback;
        self
    }

    /// Returns the first panic of a handler. Its answer was already passed on.
    pub(crate) fn panicked(&self) -> Option<&Error> {
        self.panicked.as_ref()
    }

    fn prepare(&mut self, request: Request, recipient: Recipient) -> Handling<S> {
        let service = self.spare.take().unwrap_or_else(|| Arc::clone(&self.service));
        let mut handling =
            self.reusable.take().unwrap_or_else(|| Box::pin(reusable_future(HandlerInput::run)));
        handling.as_mut().start(HandlerInput { service, request, recipient });
        handling
    }

    #[inline]
    fn finish(&mut self, handled: Handled<S>) -> Option<Answer> {
        self.spare = Some(handled.service);
        if self.panicked.is_none() {
            self.panicked = handled.panicked;
        }
        handled.answer
    }

    fn spawn(&mut self, id: Option<TxId>, bytes: usize, handling: Handling<S>) {
        match id {
            Some(id) => {
                let (cancel, cancelled) = oneshot::channel();
                let task = self.tasks.spawn(run_until_cancelled(handling, cancelled));
                self.running.insert(id, (task.id(), cancel));
            }
            None => {
                let task = self.tasks.spawn(async { Some(handling.await) });
                self.oneways.insert(task.id(), bytes);
                self.oneway_bytes += bytes;
            }
        }
    }

    /// Answers a request that reaches no handler.
    #[cold]
    fn refuse(&mut self, request: &Request, id: Option<TxId>, error: Error) -> Option<Answer> {
        if id.is_none() {
            self.finished_oneways += Admission::oneway_cost(request.bytes());
            tracing::warn!(message = request.name(), "a oneway message failed: {error:#}");
        }
        Some((id?, Err(Box::new(error.to_remote()))))
    }

    /// Starts the handler of a request that arrived at `came`.
    fn start_one(&mut self, mut request: Request, came: Instant, cx: &mut Context<'_>) -> Option<Answer> {
        let id = request.id().filter(|_| !request.is_oneway()).cloned();
        request.set_callee(self.peer, self.services.default);
        if let Some(callback) = &self.callback {
            request.set_callback(Arc::clone(callback));
        }
        if let Some(timeout) = request.timeout() {
            request.set_deadline(came.checked_add(timeout));
        }
        if let Err(error) = self.services.check(&request) {
            return self.refuse(&request, id, error);
        }
        let name = request.to_name();
        let recipient = id.clone().map_or_else(|| Recipient::Oneway(name.clone()), Recipient::Caller);
        let bytes = request.bytes();
        // Oneway messages keep their order, because the sender has no reply to wait for. Their
        // handlers therefore always start inline.
        let may_spawn = id.is_some();
        let is_inline = !may_spawn || self.inline_policy.is_inline(name.as_str());
        let mut handling = self.prepare(request, recipient);
        if !is_inline {
            self.spawn(id, bytes, handling);
            return None;
        }
        // Most handlers complete at the first poll, and need no task.
        let polled = handling.as_mut().poll(cx);
        if may_spawn {
            self.inline_policy.record(name);
        }
        match polled {
            Poll::Ready(handled) => {
                self.reusable = Some(handling);
                if !may_spawn {
                    self.finished_oneways += Admission::oneway_cost(bytes);
                }
                self.finish(handled)
            }
            Poll::Pending => {
                self.spawn(id, bytes, handling);
                None
            }
        }
    }
}

impl<S: Service + 'static, const ON_WORKER: bool> RequestHandler for Handlers<S, ON_WORKER> {
    const SERVES: bool = true;
    const IS_WORKER: bool = ON_WORKER;

    #[inline]
    fn start(&mut self, requests: &mut Vec<Request>, answers: &mut Vec<Answer>, cx: &mut Context<'_>) {
        let came = Instant::now();
        self.inline_policy.begin_batch(came);
        for request in requests.drain(..) {
            answers.extend(self.start_one(request, came, cx));
        }
        self.inline_policy.end_batch();
    }

    fn cancel(&mut self, id: &TxId) {
        if let Some((task, cancel)) = self.running.remove(id) {
            // Fails if the handler has just ended.
            let _ = cancel.send(());
            self.cancelled.insert(task, id.clone());
        }
    }

    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        loop {
            let Some(ended) = ready!(self.tasks.poll_join_next_with_id(cx)) else { return Poll::Pending };
            let (task, handled) = match ended {
                Ok((task, handled)) => (task, handled),
                // The destructor of a cancelled handler panicked. Other panics are caught before
                // they reach this point.
                Err(error) => (error.id(), None),
            };
            let answer = handled.and_then(|handled| self.finish(handled));
            if let Some(id) = self.cancelled.remove(&task) {
                return Poll::Ready((id, Ok(Response::default())));
            }
            if let Some(answer) = answer {
                self.running.remove(&answer.0);
                return Poll::Ready(answer);
            }
            if let Some(bytes) = self.oneways.remove(&task) {
                self.oneway_bytes -= bytes;
                self.finished_oneways += Admission::oneway_cost(bytes);
            }
        }
    }

    #[inline]
    fn take_finished_oneways(&mut self) -> usize {
        std::mem::take(&mut self.finished_oneways)
    }

    fn has_max_cancelled(&self) -> bool {
        self.cancelled.len() >= MAX_UNAWAITED_HANDLERS
    }

    fn is_full(&self) -> bool {
        let unawaited = self.tasks.len().saturating_sub(self.running.len());
        unawaited >= MAX_UNAWAITED_HANDLERS || self.oneway_bytes >= MAX_ONEWAY_BYTES
    }

    fn is_idle(&self) -> bool {
        self.tasks.len() == self.cancelled.len()
    }

    fn memory_released(&self) {
        // Trimming a large heap takes long, so it is limited to workers that are processes.
        if self.is_process {
            allocator::trim();
        }
    }
}
