use isolated_workers_core::{Error, Request, Response};

use super::next::ErasedService;
use crate::support::names::function_name;
use crate::{Middleware, Next, Service};

/// Makes a middleware of an async function that takes a request and the rest of the stack.
///
/// Each call allocates one box, because the function does not know the type of the rest of the
/// stack. A [`Middleware`] implementation allocates none.
///
/// ```
/// use isolated_workers_core::{Error, Request, Response};
/// use isolated_workers_middleware::{Next, from_fn};
///
/// let short = from_fn(async |mut request: Request, next: Next<'_>| {
///     request.metadata_mut().insert("tenant", "a");
///     next.call(request).await
/// })
/// .named("tenant");
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
    FromFn { function, name: function_name::<F>() }
}

/// Middleware created by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F> {
    function: F,
    name: &'static str,
}

impl<F> FromFn<F> {
    /// Sets the name used in errors. Default: the name of the function; for a closure, the path of
    /// the closure, starting at its enclosing function.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}

impl<F: for<'a> MiddlewareFn<'a>> Middleware for FromFn<F> {
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        let next: &dyn ErasedService = next;
        self.function.run(request, Next::new(next))
    }

    fn name(&self) -> &str {
        self.name
    }
}

/// Argument of [`from_fn`]: an async function or closure that takes a [`Request`] and a [`Next`],
/// and whose future is `Send`.
///
/// Implemented for all such functions. Do not implement it for other types.
#[diagnostic::on_unimplemented(
    message = "`from_fn` cannot make a middleware of this function",
    note = "it takes `async |request: Request, next: Next<'_>| -> Result<Response, Error> {{ .. }}`, or an `async fn` of that shape, whose future is `Send`"
)]
pub trait MiddlewareFn<'a>: Send + Sync + 'static {
    /// Future returned by the function.
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
