use std::sync::Arc;

use isolated_workers_core::{Error, Request, Response};

use crate::Service;
use crate::naming::type_name;

/// Something around a call: it sees the request, decides what happens with it, and sees the reply.
///
/// `next` is the rest of the stack. Call it once, never (and answer yourself), or again (and retry). The same
/// middleware works on the host and on the worker; [`Request::side`] tells where it is. What the payload says is known
/// to `next`, too, whatever the codec: [`ServiceExt::decode`](crate::ServiceExt::decode).
///
/// An error that the middleware makes is the answer to the call, and names it. A panic in it is such an error, of the
/// kind [`Panicked`](isolated_workers_core::ErrorKind::Panicked), and fails that call alone.
///
/// `None` is a middleware that does nothing, and a `Box`, an `Arc` and a `&'static` of one are middleware, too.
///
/// A layer costs what it does: calls are resolved when compiling, and nothing is boxed. What it takes is the compiler's
/// time: a release build of a small program that is host and worker took 8.1 s of it without layers, and 10.4 s with eight
/// on each side (rustc 1.95, dependencies built). A stack is a type within a type: somewhere above twelve layers, the
/// compiler asks for a `#![recursion_limit = "256"]`; a [`BoxService`](crate::BoxService) in the middle spares that.
///
/// ```
/// use isolated_workers_core::{Error, ErrorKind, Request, Response};
/// use isolated_workers_middleware::{Middleware, Service};
///
/// /// Lets only messages through whose name is on a list.
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
    /// Handles the request, as a rule by calling `next`.
    ///
    /// # Errors
    /// The error of `next`, or one of the middleware's own: either is the answer to the call.
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send;

    /// What its errors call it. Default: the name of its type.
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

/// Lets a pointer to a middleware stand for it.
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
