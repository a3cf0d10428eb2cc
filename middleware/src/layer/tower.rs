//! Adapters between this crate's services and those of the crate `tower`.

mod service;

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use isolated_workers_core::{BoxError, Error, ErrorKind, Executed, Request, Response};
use tokio::sync::{mpsc, oneshot};

pub use self::service::TowerService;
use crate::{Middleware, Service};

/// Makes a middleware of a `tower` layer, or of a `ServiceBuilder` with several.
///
/// The layer wraps one service, [`TowerInner`], once. State such as permits, a budget or a buffer
/// is therefore kept between calls. Requests that reach [`TowerInner`] are forwarded to the service
/// below this middleware.
///
/// The layer's service takes a [`TowerRequest`] and returns a [`Response`]. It must be `Send`,
/// `'static` and `Clone`, because each call polls a clone for readiness. Wrap a service that is not
/// `Clone`, such as tower's rate limit, in a buffer. A layer that spawns a task, such as the
/// buffer, must be created within a tokio runtime.
///
/// Errors of this crate pass through unchanged. Errors of the layer, such as a timeout or a full
/// queue, become the source of an error of the kind `Middleware`, unless
/// [`kinds`](TowerLayer::kinds) maps them to another kind.
///
/// A call with streams of items passes as any other. The layer sees its [`Response`] once: at the
/// host, with the first item; in a worker, when the handler has returned its stream. So a timeout
/// of tower limits the wait for the first item, and a permit of tower is released with it. A
/// service that keeps something until the last item passes it to [`Response::hold`], for example in
/// `map_response`. The layers of this crate do that.
///
/// Each call makes four allocations, besides those of the layer.
///
/// ```
/// use isolated_workers_core::ErrorKind;
/// use isolated_workers_middleware::tower_layer;
/// use std::time::Duration;
/// use tower::timeout::{TimeoutLayer, error::Elapsed};
///
/// let limit = tower_layer(TimeoutLayer::new(Duration::from_secs(1))).kinds(|error| {
///     if error.is::<Elapsed>() { ErrorKind::Timeout } else { ErrorKind::Middleware }
/// });
/// ```
pub fn tower_layer<L>(layer: L) -> TowerLayer<L::Service>
where
    L: tower_layer::Layer<TowerInner>,
    L::Service: tower_service::Service<TowerRequest, Response = Response> + Clone + Send + 'static,
{
    let service = Mutex::new(layer.layer(TowerInner(())));
    TowerLayer { service, kind: |_| ErrorKind::Middleware }
}

/// Middleware created by [`tower_layer()`].
pub struct TowerLayer<T> {
    /// In a mutex, because services of tower need not be `Sync`.
    service: Mutex<T>,
    kind: fn(&(dyn StdError + Send + Sync + 'static)) -> ErrorKind,
}

impl<T> TowerLayer<T> {
    /// Sets the function that maps errors of the layer to their kinds.
    pub fn kinds(mut self, kind: fn(&(dyn StdError + Send + Sync + 'static)) -> ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    fn error(&self, name: &str, error: BoxError) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                let text = format!("a tower layer failed the call of `{name}`: {error}");
                Error::with_source((self.kind)(&*error), text, error)
            }
        }
    }
}

impl<T> Middleware for TowerLayer<T>
where
    T: tower_service::Service<TowerRequest, Response = Response> + Clone + Send + 'static,
    T::Error: Into<BoxError>,
    T::Future: Send,
{
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let (forward, mut forwarded) = mpsc::unbounded_channel();
        let name = request.to_name();
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = pin!(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(TowerRequest { request, forward }).await
        });
        // More than one if the layer retries or hedges.
        let mut calls = FuturesUnordered::new();
        let mut executed = Executed::No;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => {
                    let executed = if calls.is_empty() { executed } else { executed.max(Executed::Maybe) };
                    let error = |error: T::Error| self.error(name.as_str(), error.into()).after_attempt(executed);
                    return answer.map_err(error);
                }
                Some(call) = forwarded.recv() => calls.push(forward_call(next, call)),
                Some(ran) = calls.next() => executed = executed.max(ran),
            }
        }
    }
}

/// Forwards a call to `next`. Stops if the layer drops the call. Returns whether the message was
/// run.
async fn forward_call<S: Service>(
    next: &S,
    ForwardedCall { request, mut answer }: ForwardedCall,
) -> Executed {
    let result = tokio::select! {
        result = next.call(request) => result,
        () = answer.closed() => return Executed::Maybe,
    };
    let executed = result.as_ref().map_or_else(Error::executed, |_| Executed::Yes);
    // The layer may have dropped the call meanwhile.
    let _ = answer.send(result);
    executed
}

impl<T> fmt::Debug for TowerLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer").finish_non_exhaustive()
    }
}

/// [`Request`] on its way through layers of tower. Dereferences to the request, to read and change
/// it. Clone it to send another attempt.
#[derive(Clone, Debug)]
pub struct TowerRequest {
    request: Request,
    forward: mpsc::UnboundedSender<ForwardedCall>,
}

impl Deref for TowerRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl DerefMut for TowerRequest {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.request
    }
}

/// Request that reached [`TowerInner`], and the channel for its answer.
#[derive(Debug)]
struct ForwardedCall {
    request: Request,
    answer: oneshot::Sender<Result<Response, Error>>,
}

/// Service that a layer of tower wraps. It forwards each request to the service below the
/// [`TowerLayer`].
#[derive(Clone, Debug)]
pub struct TowerInner(());

impl tower_service::Service<TowerRequest> for TowerInner {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, TowerRequest { request, forward }: TowerRequest) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let name = request.to_name();
        let cancelled = move || {
            let cause = "the tower layer dropped the call";
            Error::new(ErrorKind::Cancelled, format!("`{name}` was cancelled: {cause}; call again"))
        };
        let sent = forward.send(ForwardedCall { request, answer });
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(cancelled())),
                Err(_) => Err(cancelled()),
            }
        })
    }
}
