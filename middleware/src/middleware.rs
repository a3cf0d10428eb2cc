use isolated_workers_core::{Error, Request, Response};

use crate::Service;

/// Something around a call: it sees the request, decides what happens with it, and sees the reply.
///
/// `next` is the rest of the stack. Call it once, never (and answer yourself), or again (and retry). The same
/// middleware works on the host and on the worker; [`Request::side`] tells where it is.
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
///             Err(Error::new(ErrorKind::Remote, format!("`{}` is not allowed here", request.name())))
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
}
