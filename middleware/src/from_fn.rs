use std::pin::Pin;

use isolated_workers_core::{Error, Request, Response};

use crate::{Middleware, Service};

/// Makes a middleware of an async function of a request and what comes next.
///
/// It costs one box a call, because the function does not know the type of what comes next; a [`Middleware`]
/// implementation costs none.
///
/// ```
/// use isolated_workers_core::{Error, Request, Response};
/// use isolated_workers_middleware::{Next, from_fn};
///
/// let short = from_fn(async |mut request: Request, next: Next<'_>| {
///     request.metadata_mut().insert("tenant", "a");
///     next.call(request).await
/// });
///
/// async fn log(request: Request, next: Next<'_>) -> Result<Response, Error> {
///     println!("-> {}", request.name());
///     let result = next.call(request).await;
///     println!("<- {result:?}");
///     result
/// }
/// let long = from_fn(log);
/// ```
pub fn from_fn<F: for<'a> MiddlewareFn<'a>>(function: F) -> FromFn<F> {
    FromFn(function)
}

/// A middleware made by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

impl<F: for<'a> MiddlewareFn<'a>> Middleware for FromFn<F> {
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.run(request, Next(next))
    }
}

/// The rest of the stack, as a function sees it.
pub struct Next<'a>(&'a dyn ErasedService);

impl Next<'_> {
    /// Passes the request on. It may be called again, with another request.
    ///
    /// # Errors
    /// Whatever the rest of the stack answers.
    pub async fn call(&self, request: Request) -> Result<Response, Error> {
        self.0.call_boxed(request).await
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

trait ErasedService: Sync {
    fn call_boxed<'a>(&'a self, request: Request) -> BoxFuture<'a>;
}

type BoxFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

impl<S: Service> ErasedService for S {
    fn call_boxed<'a>(&'a self, request: Request) -> BoxFuture<'a> {
        Box::pin(self.call(request))
    }
}

/// What [`from_fn`] takes: an async function or closure of a [`Request`] and a [`Next`] whose future can be sent
/// between threads. Implemented for all of them, and by nothing else.
#[diagnostic::on_unimplemented(
    message = "`from_fn` cannot make a middleware of this function",
    note = "it takes `async |request: Request, next: Next<'_>| -> Result<Response, Error> {{ .. }}`, or an `async fn` of that shape, whose future is `Send`"
)]
pub trait MiddlewareFn<'a>: Send + Sync + 'static {
    /// What the function returns.
    type Future: Future<Output = Result<Response, Error>> + Send + 'a;

    /// Calls the function.
    fn run(&self, request: Request, next: Next<'a>) -> Self::Future;
}

impl<'a, F, Fut> MiddlewareFn<'a> for F
where
    F: Fn(Request, Next<'a>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Error>> + Send + 'a,
{
    type Future = Fut;

    fn run(&self, request: Request, next: Next<'a>) -> Fut {
        self(request, next)
    }
}
