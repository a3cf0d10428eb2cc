//! Layers and services of the crate `tower`, and back.

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
use isolated_workers_core::{BoxError, Error, ErrorKind, Request, Response};
use tokio::sync::{mpsc, oneshot};

pub use self::service::TowerService;
use crate::{Middleware, Service};

/// Makes a middleware of a layer of the crate `tower`, or of a `ServiceBuilder` of several.
///
/// The layer goes around one service for good, so that what it keeps (permits, a budget, a buffer)
/// is kept between calls. That service, [`TowerInner`], is the end of tower's part of the stack:
/// what arrives there is passed on to whatever is below this middleware, while the call runs. Hence
/// the bounds: the layer's service takes a [`TowerRequest`], which is a [`Request`] that knows its
/// way back and can be cloned for another attempt; it answers with a [`Response`], can be sent
/// between threads, owns what it holds, and is `Clone`, because each call makes itself ready on a
/// clone of its own. One that is not (tower's rate limit) becomes it with a buffer around. A layer
/// that spawns a task, as the buffer does, must be made within a tokio runtime.
///
/// An error of this crate passes through as it is. One that the layer made, a timeout or a full
/// queue, becomes the source of an error of the kind `Middleware`, unless
/// [`kinds`](TowerLayer::kinds) tells another.
///
/// It costs four allocations a call beside those of the layer.
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

/// A middleware made by [`tower_layer()`].
pub struct TowerLayer<T> {
    /// Behind a lock because services of tower need not be shareable.
    service: Mutex<T>,
    kind: fn(&(dyn StdError + Send + Sync + 'static)) -> ErrorKind,
}

impl<T> TowerLayer<T> {
    /// Tells the kinds of the errors that the layer makes.
    pub fn kinds(mut self, kind: fn(&(dyn StdError + Send + Sync + 'static)) -> ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    fn error(&self, name: &str, error: BoxError) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => {
                let text = format!("a layer of tower ended the call of `{name}`: {error}");
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
        let (way, mut forwarded) = mpsc::unbounded_channel();
        let name = request.to_name();
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = pin!(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(TowerRequest { request, way }).await
        });
        // More than one where the layer calls again or sends twins.
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error: T::Error| self.error(name.as_str(), error.into())),
                Some(call) = forwarded.recv() => calls.push(pass(next, call)),
                Some(()) = calls.next() => {}
            }
        }
    }
}

/// Calls `next` for what has come to the bottom, unless the layer gives the call up.
async fn pass<S: Service>(next: &S, ForwardedCall { request, mut answer }: ForwardedCall) {
    let result = tokio::select! {
        result = next.call(request) => result,
        () = answer.closed() => return,
    };
    // A layer that has gone wants no answer.
    let _ = answer.send(result);
}

impl<T> fmt::Debug for TowerLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer").finish_non_exhaustive()
    }
}

/// A [`Request`] on its way through layers of tower. It can be read and changed like one.
#[derive(Clone, Debug)]
pub struct TowerRequest {
    request: Request,
    way: mpsc::UnboundedSender<ForwardedCall>,
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

/// A request at the bottom of tower's part, and where its answer goes.
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

    fn call(&mut self, TowerRequest { request, way }: TowerRequest) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let name = request.to_name();
        let gone = move || {
            let why = "the layer that it came from has given it up";
            Error::new(ErrorKind::Cancelled, format!("`{name}` was not finished: {why}; call it again"))
        };
        let passed = way.send(ForwardedCall { request, answer });
        Box::pin(async move {
            match passed {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(gone())),
                Err(_) => Err(gone()),
            }
        })
    }
}
