//! Middleware, and the built-in layers.

mod auth;
mod box_middleware;
mod concurrency_limit;
mod deadline;
mod for_message;
mod from_fn;
mod hooks;
mod load_shed;
#[cfg(feature = "metrics")]
mod metrics;
mod next;
mod rate_limit;
mod retry;
mod set_metadata;
mod stack;
mod timeout;
#[cfg(feature = "tower")]
mod tower;
mod trace;
mod validate;

use std::sync::Arc;

use isolated_workers_core::{Error, Request, Response};

pub use self::auth::Auth;
pub use self::box_middleware::BoxMiddleware;
pub use self::concurrency_limit::ConcurrencyLimit;
pub use self::deadline::Deadline;
pub use self::for_message::{ForMessage, Hook, NoHook, for_message};
pub use self::from_fn::{FromFn, MiddlewareFn, from_fn};
pub use self::hooks::{
    OnRequest, OnRequestAsync, OnResponse, OnResponseAsync, on_request, on_request_async, on_response,
    on_response_async,
};
pub use self::load_shed::LoadShed;
#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
pub use self::next::Next;
pub use self::rate_limit::RateLimit;
pub use self::retry::Retry;
pub use self::set_metadata::SetMetadata;
pub use self::stack::{Layered, Layers, NoLayers, Stack};
pub use self::timeout::Timeout;
#[cfg(feature = "tower")]
pub use self::tower::{TowerInner, TowerLayer, TowerRequest, TowerService, tower_layer};
#[doc(hidden)]
pub use self::trace::open_spans;
pub use self::trace::{Propagator, Trace, TraceContext, TraceWith};
pub use self::validate::Validate;
use crate::Service;
use crate::support::names::type_name;

/// Code around a call: it sees the request, decides how to handle it, and sees the reply.
///
/// `next` is the rest of the stack. Call it once, call it several times to retry, or answer without
/// calling it. The same middleware works on the host and on the worker; [`Request::role`] returns
/// the side. To read the payload whatever the codec, use
/// [`ServiceExt::decode`](crate::ServiceExt::decode) on `next`.
///
/// An error that a middleware returns becomes the answer to the call and names the middleware. A
/// panic becomes such an error, of the kind
/// [`Panicked`](isolated_workers_core::ErrorKind::Panicked), and fails only that call.
///
/// The future is dropped if the call is cancelled, at any await point.
///
/// `None` is a middleware that does nothing. A `Box`, an `Arc` and a `&'static` reference of a
/// middleware are middleware, too.
///
/// # Cost
///
/// Calls between layers are resolved at compile time and are not boxed, except for [`from_fn`], the
/// boxed types and layers of tower. Layers do cost compile time: a release build of a small program
/// that is host and worker took 8.1 s without layers, and 10.4 s with eight on each side (rustc
/// 1.95, dependencies built).
///
/// A stack is a nested type. Above about twelve layers, the compiler asks for
/// `#![recursion_limit = "256"]`. A [`BoxService`](crate::BoxService) in the middle of the stack
/// avoids that.
///
/// ```
/// use isolated_workers_core::{Error, ErrorKind, Request, Response};
/// use isolated_workers_middleware::{Middleware, Service};
///
/// /// Forwards only messages whose name is on a list.
/// struct Allow(&'static [&'static str]);
///
/// impl Middleware for Allow {
///     async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
///         if self.0.contains(&request.name()) {
///             next.call(request).await
///         } else {
///             Err(Error::new(ErrorKind::Denied, format!("`{}` is not allowed here", request.name())))
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    note = "implement `Middleware` for it, or make one of an async function with `from_fn`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles the request, usually by calling `next`.
    ///
    /// # Errors
    /// Returns the error of `next` or one made by the middleware. Either is the answer to the call.
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send;

    /// Name of the middleware in its errors. Default: the name of its type.
    fn name(&self) -> &str {
        type_name::<Self>()
    }
}

impl<M: Middleware> Middleware for Option<M> {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        match self {
            Some(middleware) => middleware.handle(request, next).await,
            None => next.call(request).await,
        }
    }

    fn name(&self) -> &str {
        self.as_ref().map_or("None", M::name)
    }
}

/// Implements [`Middleware`] for pointers to a middleware.
macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<M: Middleware> Middleware for $pointer {
            fn handle<S: Service>(
                &self,
                request: Request,
                next: &S,
            ) -> impl Future<Output = Result<Response, Error>> + Send {
                (**self).handle(request, next)
            }

            fn name(&self) -> &str {
                (**self).name()
            }
        }
    )*};
}

pointers!(Box<M>, Arc<M>, &'static M);
