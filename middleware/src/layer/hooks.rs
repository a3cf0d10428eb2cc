//! Middleware for one direction of a call.

use isolated_workers_core::{Error, Name, Request, Response};

use crate::support::names::function_name;
use crate::{Middleware, Service};

/// Makes a middleware of a closure that sees each request, and may change or refuse it.
///
/// If the closure fails, its error is the answer to the call.
///
/// ```
/// use isolated_workers_core::{Error, Request};
/// use isolated_workers_middleware::on_request;
///
/// let tenant = on_request(|request: &mut Request| {
///     request.metadata_mut().insert("tenant", "a");
///     Ok(())
/// });
/// ```
pub fn on_request<F>(hook: F) -> OnRequest<F>
where
    F: Fn(&mut Request) -> Result<(), Error> + Send + Sync + 'static,
{
    OnRequest(hook)
}

/// Async version of [`on_request`]. The closure takes the request and returns it.
///
/// ```
/// use isolated_workers_core::{Error, Request};
/// use isolated_workers_middleware::on_request_async;
///
/// async fn token() -> String {
///     "one that was fetched".into()
/// }
///
/// let signed = on_request_async(async |mut request: Request| {
///     request.metadata_mut().insert("token", token().await);
///     Ok(request)
/// });
/// ```
pub fn on_request_async<F, Fut>(hook: F) -> OnRequestAsync<F>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Request, Error>> + Send,
{
    OnRequestAsync(hook)
}

/// Makes a middleware of a closure that sees the name of each message and the answer to it, and may
/// change the answer.
///
/// The closure may also replace an error by a reply, or a reply by an error.
///
/// ```
/// use isolated_workers_core::{Error, Response};
/// use isolated_workers_middleware::on_response;
///
/// let log = on_response(|message: &str, answer: &mut Result<Response, Error>| {
///     println!("{message}: {}", if answer.is_ok() { "answered" } else { "failed" });
/// });
/// ```
pub fn on_response<F>(hook: F) -> OnResponse<F>
where
    F: Fn(&str, &mut Result<Response, Error>) + Send + Sync + 'static,
{
    OnResponse(hook)
}

/// Async version of [`on_response`]. The closure takes the answer and returns one.
pub fn on_response_async<F, Fut>(hook: F) -> OnResponseAsync<F>
where
    F: Fn(Name, Result<Response, Error>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Error>> + Send,
{
    OnResponseAsync(hook)
}

/// Middleware created by [`on_request`].
#[derive(Clone, Copy, Debug)]
pub struct OnRequest<F>(F);

impl<F> Middleware for OnRequest<F>
where
    F: Fn(&mut Request) -> Result<(), Error> + Send + Sync + 'static,
{
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        (self.0)(&mut request)?;
        next.call(request).await
    }

    fn name(&self) -> &str {
        function_name::<F>()
    }
}

/// Middleware created by [`on_request_async`].
#[derive(Clone, Copy, Debug)]
pub struct OnRequestAsync<F>(F);

impl<F, Fut> Middleware for OnRequestAsync<F>
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Request, Error>> + Send,
{
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        next.call((self.0)(request).await?).await
    }

    fn name(&self) -> &str {
        function_name::<F>()
    }
}

/// Middleware created by [`on_response`].
#[derive(Clone, Copy, Debug)]
pub struct OnResponse<F>(F);

impl<F> Middleware for OnResponse<F>
where
    F: Fn(&str, &mut Result<Response, Error>) + Send + Sync + 'static,
{
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let name = request.to_name();
        let mut answer = next.call(request).await;
        (self.0)(name.as_str(), &mut answer);
        answer
    }

    fn name(&self) -> &str {
        function_name::<F>()
    }
}

/// Middleware created by [`on_response_async`].
#[derive(Clone, Copy, Debug)]
pub struct OnResponseAsync<F>(F);

impl<F, Fut> Middleware for OnResponseAsync<F>
where
    F: Fn(Name, Result<Response, Error>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Error>> + Send,
{
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let name = request.to_name();
        let answer = next.call(request).await;
        (self.0)(name, answer).await
    }

    fn name(&self) -> &str {
        function_name::<F>()
    }
}
