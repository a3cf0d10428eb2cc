use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;

use futures_core::Stream;
use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers_core::{Body, Error, ErrorKind, Executed, Items, Metadata, Name, Request, Response};
use tokio_util::sync::CancellationToken;

use super::box_service::BoxFuture;
use super::call_chain;
use super::until_end::UntilEnd;
use crate::support::names::type_name;
use crate::{BoxService, Service};

/// Service that the host of a worker offers, from [`Context::host`](crate::Context::host). A
/// handler makes a client of it, and so calls its host back.
///
/// A callback belongs to the call whose handler makes it:
/// - It ends at the deadline of that call at the latest.
/// - It is cancelled when that call is answered or cancelled, even if the service was moved to
///   another task or thread.
/// - The host's handler sees the trace context of that call, and its id as
///   [`Context::parent`](crate::Context::parent).
///
/// Cloning is cheap. `C` is the codec of the connection.
pub struct HostService<C: Codec = DefaultCodec> {
    service: BoxService<C>,
    parent: Arc<Parent>,
}

/// Call whose handler calls back.
struct Parent {
    name: String,
    id: Option<String>,
    metadata: Metadata,
    deadline: Option<Instant>,
    ended: CancellationToken,
}

/// Metadata keys of the trace context that a callback inherits.
const TRACE_KEYS: [&str; 2] = ["traceparent", "tracestate"];

impl<C: Codec> HostService<C> {
    /// Creates the service of a handler. `host` is a `BoxService` of the codec of the connection,
    /// and the token that ends its calls.
    pub(super) fn new(
        host: Option<&(Arc<dyn Any + Send + Sync>, CancellationToken)>,
        name: &str,
        id: Option<String>,
        metadata: &Metadata,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        let refused = |cause: &str| {
            let text = format!("could not call the host back in the handler of `{name}`: {cause}");
            Error::new(ErrorKind::Config, text).of_call()
        };
        let (host, ended) = host.ok_or_else(|| {
            refused(
                "the host serves nothing; pass a handler to `Worker::builder(..).serve(..)`, or a service to \
                 `Local::with_host`",
            )
        })?;
        let service = host.downcast_ref::<BoxService<C>>().ok_or_else(|| {
            refused(&format!(
                "the codec of the connection is not {}; name the codec that the worker passes to \
                 `serve(..).codec(..)`, or the default codec",
                type_name::<C>()
            ))
        })?;
        let parent =
            Parent { name: name.to_owned(), id, metadata: metadata.clone(), deadline, ended: ended.clone() };
        Ok(Self { service: service.clone(), parent: Arc::new(parent) })
    }
}

impl Parent {
    /// Makes `request` a callback of this call.
    fn adopt(&self, request: &mut Request) {
        call_chain::begin(request, &self.metadata, self.id.clone());
        let metadata = request.metadata_mut();
        for key in TRACE_KEYS {
            if let (None, Some(value)) = (metadata.get(key), self.metadata.get(key)) {
                metadata.insert(key, value);
            }
        }
        call_chain::end_by(request, self.deadline);
    }

    fn has_ended(&self, callback: &str, executed: Executed) -> Error {
        let text =
            format!("could not complete the callback `{callback}`: its call `{}` has ended", self.name);
        Error::new(ErrorKind::Cancelled, text).with_executed(executed).of_call()
    }
}

impl<C: Codec> Service for HostService<C> {
    type Codec = C;

    fn codec(&self) -> &C {
        self.service.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.service.body_limit()
    }

    async fn call(&self, mut request: Request) -> Result<Response, Error> {
        let parent = &*self.parent;
        let name = request.to_name();
        if parent.ended.is_cancelled() {
            return Err(parent.has_ended(name.as_str(), Executed::No));
        }
        parent.adopt(&mut request);
        let service = self.service.clone();
        let call: BoxFuture<'static> = Box::pin(async move { service.call(request).await });
        let call = UntilEnd::new(call, &parent.ended);
        let result = poll_fn(|cx| call.poll(cx, |call, cx| call.as_mut().poll(cx))).await;
        let mut response = result.unwrap_or_else(|| Err(parent.has_ended(name.as_str(), Executed::Maybe)))?;
        if response.has_items() {
            let parent = Arc::clone(&self.parent);
            response.change_items(|items| CallbackItems::until_end_of(parent, items, name));
        }
        Ok(response)
    }
}

/// Items of a callback. They end with the call whose handler has made it.
struct CallbackItems {
    items: UntilEnd<Items>,
    parent: Arc<Parent>,
    name: Name,
}

impl CallbackItems {
    fn until_end_of(parent: Arc<Parent>, items: Items, name: Name) -> Items {
        let items = UntilEnd::new(items, &parent.ended);
        Items::new(Self { items, parent, name })
    }
}

impl Stream for CallbackItems {
    type Item = Result<Body, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        match self.items.poll(cx, |items, cx| Pin::new(items).poll_next(cx)) {
            Poll::Ready(Some(next)) => Poll::Ready(next),
            Poll::Ready(None) => {
                Poll::Ready(Some(Err(self.parent.has_ended(self.name.as_str(), Executed::Maybe))))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<C: Codec> Clone for HostService<C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), parent: Arc::clone(&self.parent) }
    }
}

impl<C: Codec> fmt::Debug for HostService<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostService").field("codec", &C::ID).finish_non_exhaustive()
    }
}
